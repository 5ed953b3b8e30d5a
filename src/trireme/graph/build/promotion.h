// SPDX-License-Identifier: Apache-2.0
// Type promotion, as torch.result_type does it.
#pragma once

#include <optional>

#include "trireme/graph/build/op_call.h"

namespace trireme::graph {

// The type that values of both types go to (torch.promote_types).
DType promote(DType left, DType right);

// Gathers the arguments of a call: tensors with dimensions decide, then those without, then
// numbers, each only where its category (bool, integer, floating, complex) is higher. Declines
// what would be complex of half precision.
class Promotion {
 public:
  explicit Promotion(DType default_dtype) : default_dtype_(default_dtype) {}
  Promotion& add(const Tensor& tensor);
  Promotion& add(const Number& number);
  DType result() const;
  // The same, with integers and bool made the default dtype (division, sqrt, mean, ...).
  DType floating_result() const;

 private:
  DType default_dtype_;
  std::optional<DType> dimensioned_;
  std::optional<DType> zero_dim_;
  std::optional<DType> wrapped_;
};

}  // namespace trireme::graph
