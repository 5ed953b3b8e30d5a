// SPDX-License-Identifier: Apache-2.0
// A Python number that PyTorch has put into a CPU tensor, as the number itself.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <optional>

namespace trireme::record {

// The number in a tensor of its own type (float64, int64, bool, complex128), of no dimension, that
// is marked as a Python number's; else nothing.
std::optional<c10::IValue> python_number_in(const at::Tensor& tensor);

// The CPU tensor for such a number, marked so. Throws c10::Error for what is no number.
at::Tensor tensor_of_number(const c10::IValue& number);

}  // namespace trireme::record
