// SPDX-License-Identifier: Apache-2.0
// scaled_dot_product_attention takes the path that it takes on the CPU.
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_fused_sdp_choice.h>
#include <torch/library.h>

#include "trireme/record/geometry.h"

namespace trireme::device {
namespace {

// A CPU tensor without data, for questions about metadata only: layout, dtype, requires_grad.
at::Tensor hollow(const at::Tensor& tensor) {
  const record::Geometry geometry = record::geometry_of(*tensor.unsafeGetTensorImpl());
  c10::Storage storage(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), record::bytes_needed(geometry),
      c10::DataPtr(nullptr, c10::Device(c10::DeviceType::CPU)), nullptr, /*resizable=*/false));
  auto made = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  record::apply_geometry(geometry, geometry.offset, *made.unsafeGetTensorImpl());
  if (tensor.requires_grad()) made.set_requires_grad(true);
  return made;
}

int64_t choose(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
               const std::optional<at::Tensor>& mask, double dropout, bool is_causal,
               std::optional<double> scale, bool enable_gqa) {
  // The hollow tensors are a question of our own: no mode of the program (fake tensors) takes part.
  const c10::impl::ExcludeDispatchKeyGuard no_python(c10::python_ks);
  const auto hollow_mask =
      mask && mask->defined() ? std::make_optional(hollow(*mask)) : std::nullopt;
  return at::_fused_sdp_choice(hollow(query), hollow(key), hollow(value), hollow_mask, dropout,
                               is_causal, scale, enable_gqa);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { m.impl("_fused_sdp_choice", TORCH_FN(choose)); }

}  // namespace
}  // namespace trireme::device

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(_fused_sdp_choice_stub, &trireme::device::choose)
}  // namespace at::native
