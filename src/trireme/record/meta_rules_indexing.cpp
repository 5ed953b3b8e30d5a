// SPDX-License-Identifier: Apache-2.0
// Rules of ops that choose among elements or move them.
#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/MetaFunctions.h>

#include "trireme/record/meta_rules.h"

namespace trireme::record {
namespace {

using In = const at::Tensor&;
using InPlace = at::Tensor&;
using Number = const at::Scalar&;
using Ints = at::IntArrayRef;
using Indices = const c10::List<std::optional<at::Tensor>>&;

InPlace fill_(InPlace self, Number value) {
  require(is_writable(self));
  require_fits(value, self.scalar_type());
  return self;
}

InPlace zero_(InPlace self) {
  require(is_writable(self));
  return self;
}

at::Tensor masked_fill(In self, In mask, Number value) {
  require(mask.scalar_type() == at::kBool);
  require_fits(value, self.scalar_type());
  return row_major(at::infer_size_dimvector(self.sizes(), mask.sizes()), self.scalar_type());
}

InPlace masked_fill_(InPlace self, In mask, Number value) {
  require(mask.scalar_type() == at::kBool && is_writable(self));
  require(at::is_expandable_to(mask.sizes(), self.sizes()) && !self.is_alias_of(mask));
  require_fits(value, self.scalar_type());
  return self;
}

// The strides are those of any op of three tensors.
at::Tensor where(In condition, In self, In other) {
  require(condition.scalar_type() == at::kBool && self.scalar_type() == other.scalar_type());
  const auto as_float = [](In tensor) {
    return at::Tensor(at::detail::empty_strided_meta(tensor.sizes(), tensor.strides(), at::kFloat));
  };
  const at::Tensor same =
      at::meta::addcmul(as_float(condition), as_float(self), as_float(other), at::Scalar(1));
  return at::detail::empty_strided_meta(same.sizes(), same.strides(), self.scalar_type());
}

void require_indexed(In self, Indices indices, In values) {
  for (const std::optional<at::Tensor>& index : indices) {
    require(!index || !index->defined() || index->scalar_type() == at::kLong);
  }
  require(values.scalar_type() == self.scalar_type());
  require(at::is_expandable_to(values.sizes(), at::meta::index(self, indices).sizes()));
}

at::Tensor index_put(In self, Indices indices, In values, bool /*accumulate*/) {
  require_indexed(self, indices, values);
  return like(self);
}

InPlace put_in_place(InPlace self, Indices indices, In values, bool /*accumulate*/) {
  require(is_writable(self) && !self.is_alias_of(values));
  for (const std::optional<at::Tensor>& index : indices) {
    require(!index || !index->defined() || !self.is_alias_of(*index));
  }
  require_indexed(self, indices, values);
  return self;
}

InPlace index_put_impl_(InPlace self, Indices indices, In values, bool accumulate,
                        bool /*unsafe*/) {
  return put_in_place(self, indices, values, accumulate);
}

at::Tensor repeat(In self, Ints repeats) {
  require(repeats.size() >= self.sizes().size());
  at::DimVector sizes(repeats);
  const size_t added = repeats.size() - self.sizes().size();
  for (size_t i = 0; i < sizes.size(); ++i) {
    require(sizes[i] > 0);
    if (i >= added) sizes[i] *= self.size(static_cast<int64_t>(i - added));
  }
  return row_major(sizes, self.scalar_type());
}

at::Tensor roll(In self, Ints shifts, Ints dims) {
  require(self.dim() > 0 && is_row_major(self) && !dims.empty() && shifts.size() == dims.size());
  for (const int64_t dim : dims) require(dim >= -self.dim() && dim < self.dim());
  return row_major(self.sizes(), self.scalar_type());
}

at::Tensor stack(at::TensorList tensors, int64_t dim) {
  require(!tensors.empty());
  const at::Tensor& first = tensors.front();
  for (const at::Tensor& tensor : tensors) {
    require(tensor.sizes() == first.sizes() && tensor.scalar_type() == first.scalar_type());
    require(is_row_major(tensor));
  }
  const int64_t dims = first.dim() + 1;
  require(dim >= -dims && dim < dims);
  at::DimVector sizes(first.sizes());
  sizes.insert(sizes.begin() + (dim < 0 ? dim + dims : dim), static_cast<int64_t>(tensors.size()));
  return row_major(sizes, first.scalar_type());
}

template <class Function>
MetaKernel any(Function* function) {
  return {c10::KernelFunction::makeFromUnboxedRuntimeFunction(function), Takes::Any};
}

}  // namespace

void add_indexing_rules(MetaTable& table) {
  table.insert({
      {"aten::_index_put_impl_", any(&index_put_impl_)},
      {"aten::fill_.Scalar", any(&fill_)},
      {"aten::index_put", any(&index_put)},
      {"aten::index_put_", any(&put_in_place)},
      {"aten::masked_fill.Scalar", any(&masked_fill)},
      {"aten::masked_fill_.Scalar", any(&masked_fill_)},
      {"aten::repeat", any(&repeat)},
      {"aten::roll", any(&roll)},
      {"aten::stack", any(&stack)},
      {"aten::where.self", any(&where)},
      {"aten::zero_", any(&zero_)},
  });
}

}  // namespace trireme::record
