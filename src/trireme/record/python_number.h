// SPDX-License-Identifier: Apache-2.0
// A Python number that PyTorch has put into a CPU tensor, as the number itself.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/TensorImpl.h>

#include <optional>

namespace trireme::record {

// The number in a CPU tensor of its own type (float64, int64, bool, complex128), of no dimension,
// that is marked as a Python number's; else nothing.
std::optional<c10::IValue> python_number_in(const c10::TensorImpl& impl);

}  // namespace trireme::record
