// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/python_number.h"

#include <ATen/ScalarOps.h>

namespace trireme::record {

std::optional<c10::IValue> python_number_in(const at::Tensor& tensor) {
  const c10::TensorImpl& impl = *tensor.unsafeGetTensorImpl();
  if (!impl.is_wrapped_number() || impl.dim() != 0 || impl.is_conj() || impl.is_neg()) return {};
  switch (tensor.scalar_type()) {
    case c10::ScalarType::Double:
      return *tensor.const_data_ptr<double>();
    case c10::ScalarType::Long:
      return *tensor.const_data_ptr<int64_t>();
    case c10::ScalarType::Bool:
      return *tensor.const_data_ptr<bool>();
    case c10::ScalarType::ComplexDouble:
      return *tensor.const_data_ptr<c10::complex<double>>();
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
