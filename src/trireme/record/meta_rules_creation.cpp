// SPDX-License-Identifier: Apache-2.0
// Rules of ops that make a tensor in the image of another, or of numbers.
#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>

#include <cmath>

#include "trireme/record/meta_rules.h"

namespace trireme::record {
namespace {

using In = const at::Tensor&;
using Number = const at::Scalar&;
using Dtype = std::optional<at::ScalarType>;
using Layout = std::optional<at::Layout>;
using Device = std::optional<at::Device>;
using Pinned = std::optional<bool>;
using Format = std::optional<at::MemoryFormat>;

void require_plain(Dtype dtype, Layout layout, Pinned pinned) {
  require(!dtype || at::isFloatingType(*dtype) || at::isIntegralType(*dtype, true));
  require(layout.value_or(at::kStrided) == at::kStrided && !pinned.value_or(false));
}

at::Tensor filled_like(In self, Dtype dtype, Layout layout, Device /*device*/, Pinned pinned,
                       Format format) {
  require_plain(dtype, layout, pinned);
  return like(self, dtype.value_or(self.scalar_type()), format);
}

at::Tensor full_like(In self, Number value, Dtype dtype, Layout layout, Device device,
                     Pinned pinned, Format format) {
  require_fits(value, dtype.value_or(self.scalar_type()));
  return filled_like(self, dtype, layout, device, pinned, format);
}

at::ScalarType default_dtype() { return at::typeMetaToScalarType(at::get_default_dtype()); }

at::Tensor filled(at::IntArrayRef sizes, Dtype dtype, Layout layout, Device /*device*/,
                  Pinned pinned) {
  require_plain(dtype, layout, pinned);
  require(std::ranges::all_of(sizes, [](int64_t size) { return size >= 0; }));
  return row_major(sizes, dtype.value_or(default_dtype()));
}

at::Tensor new_filled(In self, at::IntArrayRef sizes, Dtype dtype, Layout layout, Device device,
                      Pinned pinned) {
  return filled(sizes, dtype.value_or(self.scalar_type()), layout, device, pinned);
}

at::Tensor full(at::IntArrayRef sizes, Number value, Dtype dtype, Layout layout, Device device,
                Pinned pinned) {
  if (!dtype && value.isBoolean()) dtype = at::kBool;
  if (!dtype && value.isIntegral(/*includeBool=*/false)) dtype = at::kLong;
  require_fits(value, dtype.value_or(default_dtype()));
  return filled(sizes, dtype, layout, device, pinned);
}

at::Tensor new_full(In self, at::IntArrayRef sizes, Number value, Dtype dtype, Layout layout,
                    Device device, Pinned pinned) {
  return full(sizes, value, dtype.value_or(self.scalar_type()), layout, device, pinned);
}

at::Tensor scalar_tensor(Number value, Dtype dtype, Layout layout, Device device, Pinned pinned) {
  require_fits(value, dtype.value_or(default_dtype()));
  return filled({}, dtype, layout, device, pinned);
}

at::Tensor clone(In self, Format format) { return like(self, self.scalar_type(), format); }

at::Tensor& copy_(at::Tensor& self, In source, bool /*non_blocking*/) {
  require(is_writable(self) && !self.is_alias_of(source));
  require(at::is_expandable_to(source.sizes(), self.sizes()));
  return self;
}

// Of integers small enough for the kernel's arithmetic, in double, to be exact.
at::Tensor range(Number start, Number end, Number step, Dtype dtype, Layout layout, Pinned pinned) {
  constexpr int64_t kExact = int64_t{1} << 40U;
  require_plain(dtype, layout, pinned);
  const auto whole = [](Number number) {
    require(number.isIntegral(/*includeBool=*/false));
    const auto value = number.toLong();
    require(std::abs(value) < kExact);
    return value;
  };
  const int64_t from = whole(start);
  const int64_t to = whole(end);
  const int64_t by = whole(step);
  const auto type = dtype.value_or(at::kLong);
  require(type == at::kLong || type == at::kInt || type == at::kFloat || type == at::kDouble);
  require(by > 0 && from <= to);
  return row_major({(to - from + by - 1) / by}, type);
}

at::Tensor arange(Number end, Dtype dtype, Layout layout, Device /*device*/, Pinned pinned) {
  return range(0, end, 1, dtype, layout, pinned);
}

at::Tensor arange_start(Number start, Number end, Dtype dtype, Layout layout, Device /*device*/,
                        Pinned pinned) {
  return range(start, end, 1, dtype, layout, pinned);
}

at::Tensor arange_step(Number start, Number end, Number step, Dtype dtype, Layout layout,
                       Device /*device*/, Pinned pinned) {
  return range(start, end, step, dtype, layout, pinned);
}

at::Tensor constant_pad(In self, at::IntArrayRef pad, Number value) {
  require(self.dim() > 0 && is_row_major(self) && pad.size() % 2 == 0);
  require(pad.size() / 2 <= static_cast<size_t>(self.dim()));
  // That the dtype can hold the value is the kernel's to say.
  const bool small = !value.isComplex() && std::abs(value.toDouble()) < 128;
  require(at::isFloatingType(self.scalar_type()) || value.equal(0) ||
          (small && self.scalar_type() == at::kLong));
  at::DimVector sizes(self.sizes());
  at::Tensor part = self;  // without what negative numbers take away
  bool grows = false;
  for (size_t i = 0; i < pad.size(); i += 2) {
    const int64_t dim = self.dim() - 1 - static_cast<int64_t>(i / 2);
    int64_t& size = sizes[dim];
    size += pad[i] + pad[i + 1];
    require(size > 0);
    const int64_t start = std::max<int64_t>(-pad[i], 0);
    const int64_t end = self.size(dim) + std::min<int64_t>(pad[i + 1], 0);
    require(start < end);
    part = part.narrow(dim, start, end - start);
    grows = grows || pad[i] > 0 || pad[i + 1] > 0;
  }
  return grows ? row_major(sizes, self.scalar_type()) : like(part);
}

at::Tensor select_backward(In grad, at::IntArrayRef sizes, int64_t dim, int64_t index) {
  const auto dims = static_cast<int64_t>(sizes.size());
  require(dim >= -dims && dim < dims && grad.dim() == dims - 1);
  dim = dim < 0 ? dim + dims : dim;
  require(index >= -sizes[dim] && index < sizes[dim]);
  at::DimVector expected(sizes);
  expected.erase(expected.begin() + dim);
  require(grad.sizes() == at::IntArrayRef(expected));
  return row_major(sizes, grad.scalar_type());
}

at::Tensor slice_backward(In grad, at::IntArrayRef sizes, int64_t dim, int64_t start, int64_t end,
                          int64_t step) {
  const auto dims = static_cast<int64_t>(sizes.size());
  require(dim >= -dims && dim < dims && grad.dim() == dims && step > 0);
  dim = dim < 0 ? dim + dims : dim;
  const int64_t size = sizes[dim];
  const auto clamp = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t length = clamp(end) - clamp(start);
  require(length > 0);
  at::DimVector expected(sizes);
  expected[dim] = (length + step - 1) / step;
  require(grad.sizes() == at::IntArrayRef(expected));
  return row_major(sizes, grad.scalar_type());
}

template <class Function>
MetaKernel any(Function* function) {
  return {c10::KernelFunction::makeFromUnboxedRuntimeFunction(function), Takes::Any};
}

}  // namespace

void add_creation_rules(MetaTable& table) {
  table.insert({
      {"aten::arange", any(&arange)},
      {"aten::arange.start", any(&arange_start)},
      {"aten::arange.start_step", any(&arange_step)},
      {"aten::clone", any(&clone)},
      {"aten::copy_", any(&copy_)},
      {"aten::constant_pad_nd", any(&constant_pad)},
      {"aten::full", any(&full)},
      {"aten::full_like", any(&full_like)},
      {"aten::new_full", any(&new_full)},
      {"aten::new_ones", any(&new_filled)},
      {"aten::new_zeros", any(&new_filled)},
      {"aten::ones", any(&filled)},
      {"aten::ones_like", any(&filled_like)},
      {"aten::scalar_tensor", any(&scalar_tensor)},
      {"aten::select_backward", any(&select_backward)},
      {"aten::slice_backward", any(&slice_backward)},
      {"aten::zeros", any(&filled)},
      {"aten::zeros_like", any(&filled_like)},
  });
}

}  // namespace trireme::record
