// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/python_number.h"

#include <ATen/ScalarOps.h>

namespace trireme::record {

std::optional<c10::IValue> python_number_in(const at::Tensor& tensor) {
  const c10::TensorImpl& impl = *tensor.unsafeGetTensorImpl();
  if (!impl.is_wrapped_number() || impl.dim() != 0 || impl.is_conj() || impl.is_neg()) return {};
  const void* data = tensor.const_data_ptr();
  if (data == nullptr) return {};  // a tensor without memory, such as tracing makes
  switch (tensor.scalar_type()) {
    case c10::ScalarType::Double:
      return *static_cast<const double*>(data);
    case c10::ScalarType::Long:
      return *static_cast<const int64_t*>(data);
    case c10::ScalarType::Bool:
      return *static_cast<const bool*>(data);
    case c10::ScalarType::ComplexDouble:
      return *static_cast<const c10::complex<double>*>(data);
    default:
      return {};
  }
}

at::Tensor tensor_of_number(const c10::IValue& number) {
  at::Tensor tensor = c10::scalar_to_tensor(number.toScalar());
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

}  // namespace trireme::record
