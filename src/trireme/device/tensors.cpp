// SPDX-License-Identifier: Apache-2.0
// Factories without values, views, resizing and storage swaps: metadata only, done at once.
#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include "trireme/device/allocator.h"
#include "trireme/device/opaque.h"
#include "trireme/device/storage_resize.h"
#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"

namespace trireme::device {
namespace {

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

const at::Tensor& fill_if_deterministic(const at::Tensor& tensor) {
  const auto& context = at::globalContext();
  if (context.deterministicAlgorithms() && context.deterministicFillUninitializedMemory()) {
    if (at::isFloatingType(tensor.scalar_type()) || at::isComplexType(tensor.scalar_type())) {
      tensor.fill_(std::numeric_limits<double>::quiet_NaN());
    } else if (tensor.scalar_type() == at::kBool) {
      tensor.fill_(true);
    } else {
      at::native::fill_empty_deterministic_(const_cast<at::Tensor&>(tensor));
    }
  }
  return tensor;
}

// What a storage has grown by, where PyTorch fills memory without values.
void fill_new_part(const at::Tensor& tensor, size_t nbytes_before) {
  const size_t item = tensor.dtype().itemsize();
  const auto before = static_cast<int64_t>(nbytes_before / item);
  const auto after = static_cast<int64_t>(tensor.storage().nbytes() / item);
  const record::Geometry geometry = [&] {
    record::Geometry part;
    part.dims.resize(1);
    part.dims.size_at(0) = after - before;
    part.dims.stride_at(0) = 1;
    part.dtype = tensor.scalar_type();
    return part;
  }();
  fill_if_deterministic(record::make_device_tensor(tensor.storage(), geometry, before));
}

void check_options(std::optional<at::Layout> layout, std::optional<at::Device> device,
                   std::optional<bool> pin_memory) {
  record::check_device(device.value_or(record::kDevice));
  TORCH_CHECK(layout.value_or(at::kStrided) == at::kStrided,
              "trireme: cannot make an empty tensor of layout ", layout.value_or(at::kStrided));
  TORCH_CHECK(!pin_memory.value_or(false), "Only dense CPU tensors can be pinned");
}

at::Tensor empty(c10::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> layout, std::optional<at::Device> device,
                 std::optional<bool> pin_memory, std::optional<at::MemoryFormat> memory_format) {
  record::recorder().hooks().ensure_running();
  check_options(layout, device, pin_memory);
  return fill_if_deterministic(at::detail::empty_generic(
      sizes, device_allocator(), kKeys, c10::dtype_or_default(dtype), memory_format));
}

at::Tensor empty_strided(c10::IntArrayRef sizes, c10::IntArrayRef strides,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                         std::optional<at::Device> device, std::optional<bool> pin_memory) {
  record::recorder().hooks().ensure_running();
  check_options(layout, device, pin_memory);
  return fill_if_deterministic(at::detail::empty_strided_generic(
      sizes, strides, device_allocator(), kKeys, c10::dtype_or_default(dtype)));
}

const at::Tensor& resize_(const at::Tensor& self, c10::IntArrayRef sizes,
                          std::optional<at::MemoryFormat> memory_format) {
  TORCH_CHECK(memory_format.value_or(at::MemoryFormat::Contiguous) != at::MemoryFormat::Preserve,
              "Unsupported memory format", at::MemoryFormat::Preserve);
  c10::TensorImpl& tensor = *self.unsafeGetTensorImpl();
  if (self.sizes() != sizes) {
    const size_t needed = at::detail::computeStorageNbytesContiguous(
        sizes, self.dtype().itemsize(), static_cast<size_t>(self.storage_offset()));
    const size_t before = self.storage().nbytes();
    if (needed > before) resize_storage(self.storage(), needed);
    tensor.set_sizes_contiguous(sizes);
    if (needed > before) fill_new_part(self, before);
  }
  if (memory_format) tensor.empty_tensor_restride(*memory_format);
  return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source, int64_t offset,
                        c10::IntArrayRef sizes, c10::IntArrayRef strides) {
  TORCH_CHECK(source.device().type() == c10::DeviceType::PrivateUse1,
              "Expected all tensors to be on the same device, but found at least two devices, "
              "trireme:0 and ",
              source.device(), "!");
  const size_t element = self.dtype().itemsize();
  const size_t needed =
      strides.data() == nullptr || strides.empty()
          ? at::detail::computeStorageNbytesContiguous(sizes, element, static_cast<size_t>(offset))
          : at::detail::computeStorageNbytes(sizes, strides, element, static_cast<size_t>(offset));
  if (needed > source.nbytes()) resize_storage(source, needed);
  // What lies in a slice of a storage is the storage's own.
  if (auto slice = record::slice_of(*source.unsafeGetStorageImpl())) {
    if (slice->start % element == 0) {
      offset += static_cast<int64_t>(slice->start / element);
      source = std::move(slice->whole);
    }
  }
  return at::native::set_storage_cpu_(self, source, offset, sizes, strides);
}

at::Tensor& set_whole_storage(at::Tensor& self, at::Storage source) {
  const auto elements = static_cast<int64_t>(source.nbytes() / self.dtype().itemsize());
  return set_storage(self, std::move(source), 0, {elements}, {});
}

at::Tensor& set_empty(at::Tensor& self) {
  return set_storage(self, record::recorder().make_storage(0), 0, {0}, {});
}

at::Tensor& set_tensor(at::Tensor& self, const at::Tensor& source) {
  if (self.is_same(source)) return self;
  return set_storage(self, source.storage(), source.storage_offset(), source.sizes(),
                     source.strides());
}

bool is_set_to(const at::Tensor& self, const at::Tensor& other) {
  return self.storage().is_alias_of(other.storage()) &&
         self.storage_offset() == other.storage_offset() && self.sizes() == other.sizes() &&
         self.strides() == other.strides();
}

// A zero tensor has no memory anywhere, but it is on the device.
class NoMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t /*nbytes*/) override { return {nullptr, record::kDevice}; }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* /*dest*/, const void* /*src*/, std::size_t /*count*/) const override {}
};

at::Tensor zero_tensor(c10::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                       std::optional<at::Layout> /*layout*/, std::optional<at::Device> /*device*/,
                       std::optional<bool> /*pin_memory*/) {
  const auto keys = kKeys | c10::DispatchKeySet(c10::DispatchKey::ZeroTensor);
  static auto* no_memory = new NoMemory;
  return at::detail::empty_generic(sizes, no_memory, keys, c10::dtype_or_default(dtype),
                                   std::nullopt);
}

// Module.to() swaps a parameter's data in place, which keeps tied weights tied, where this is true.
bool has_compatible_shallow_copy_type(const at::Tensor& self, const at::Tensor& from) {
  return self.layout() == from.layout() && self.has_storage() == from.has_storage();
}

// No copy on write: there is no memory to share until the executor makes it.
at::Tensor lazy_clone(const at::Tensor& self) { return self.clone(); }

void record_stream(at::Tensor& /*self*/, c10::Stream /*stream*/) {}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", TORCH_FN(empty));
  m.impl("empty_strided", TORCH_FN(empty_strided));
  m.impl("resize_", TORCH_FN(resize_));
  m.impl("set_", TORCH_FN(set_empty));
  m.impl("set_.source_Storage", TORCH_FN(set_whole_storage));
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(set_storage));
  m.impl("set_.source_Tensor", TORCH_FN(set_tensor));
  m.impl("is_set_to", TORCH_FN(is_set_to));
  m.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("view.dtype", TORCH_FN(at::native::view_dtype));
  m.impl("unfold", TORCH_FN(at::native::unfold));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("view_as_real", TORCH_FN(at::native::view_as_real));
  m.impl("view_as_complex", TORCH_FN(at::native::view_as_complex));
  m.impl("_efficientzerotensor", TORCH_FN(zero_tensor));
  m.impl("_lazy_clone", TORCH_FN(lazy_clone));
  m.impl("record_stream", TORCH_FN(record_stream));
  m.impl("_has_compatible_shallow_copy_type", TORCH_FN(has_compatible_shallow_copy_type));
}

// Quantized tensors: the rest of them is opaque (register.cpp).
TORCH_LIBRARY_IMPL(aten, QuantizedPrivateUse1, m) {
  m.impl("set_", TORCH_FN(set_empty));
  m.impl("set_.source_Storage", TORCH_FN(set_whole_storage));
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(set_storage));
  m.impl("set_.source_Tensor", TORCH_FN(set_tensor));
  m.impl("as_strided", TORCH_FN(at::native::as_strided_qtensorimpl));
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("unfold", TORCH_FN(at::native::unfold));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("resize_", torch::CppFunction::makeFromBoxedFunction<&opaque_fallback>());
  m.impl("copy_", torch::CppFunction::makeFromBoxedFunction<&opaque_fallback>());
}

TORCH_LIBRARY_IMPL(aten, AutogradPrivateUse1, m) {
  m.impl("_has_compatible_shallow_copy_type", TORCH_FN(has_compatible_shallow_copy_type));
}

}  // namespace
}  // namespace trireme::device
