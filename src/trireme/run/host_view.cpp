// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/host_view.h"

#include <c10/core/TensorImpl.h>

namespace trireme::run {

at::Tensor host_view(std::span<std::byte> bytes, const record::Geometry& geometry, int64_t offset) {
  c10::Storage storage(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), bytes.size(),
      c10::DataPtr(bytes.data(), c10::Device(c10::DeviceType::CPU)), /*allocator=*/nullptr,
      /*resizable=*/false));
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage),
                                                         c10::DispatchKeySet(c10::DispatchKey::CPU),
                                                         c10::scalarTypeToTypeMeta(geometry.dtype));
  record::apply_geometry(geometry, offset, *tensor.unsafeGetTensorImpl());
  return tensor;
}

}  // namespace trireme::run
