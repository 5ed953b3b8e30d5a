// SPDX-License-Identifier: Apache-2.0
// Whether a computed tensor is what PyTorch's kernel gave, within the tolerance of its dtype.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace trireme::run {

// Relative to the larger of the two elements; or, absolute, relative to the largest finite element
// of the expected tensor: sums of numbers of both signs lose digits. Those of torch.testing, times
// the factor that another order of summation needs. 0 for integers and bool.
double tolerance(c10::ScalarType dtype);

// The largest magnitude of a finite element; 0 where there is none.
double largest_magnitude(const at::Tensor& tensor);

// "" when they agree, else what the first element that does not is: "element [1, 3]: 0.5, expected
// 0.25". NaN agrees with NaN. CPU tensors of the same sizes and dtype. `inputs`: the largest
// magnitude of what they were computed of, for results that are differences of nearly equal
// numbers.
std::string difference(const at::Tensor& computed, const at::Tensor& expected, double inputs);

}  // namespace trireme::run
