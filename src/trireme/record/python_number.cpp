// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/python_number.h"

namespace trireme::record {

std::optional<c10::IValue> python_number_in(const c10::TensorImpl& impl) {
  if (!impl.is_wrapped_number() || impl.dim() != 0 || impl.is_conj() || impl.is_neg()) return {};
  const void* data = impl.data();
  if (data == nullptr) return {};  // a tensor without memory, such as tracing makes
  switch (c10::typeMetaToScalarType(impl.dtype())) {
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

}  // namespace trireme::record
