// SPDX-License-Identifier: Apache-2.0
// Activations by the C++ library, for the products that no library finishes itself.
#pragma once

#include <cmath>
#include <numbers>
#include <type_traits>

#include "trireme/compile/library/post_op.h"

namespace trireme::compile {

// Of a post-op that reads x alone; of integers: relu.
template <class T>
T apply_post_op(PostOpKind kind, T x) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (kind) {
      case PostOpKind::GeluErf:
        return x / 2 * (1 + std::erf(x / std::numbers::sqrt2_v<T>));
      case PostOpKind::GeluTanh:
        // Hendrycks and Gimpel, "Gaussian Error Linear Units", section 2
        return x / 2 *
               (1 + std::tanh(std::sqrt(2 * std::numbers::inv_pi_v<T>) *
                              (x + static_cast<T>(0.044715) * x * x * x)));
      case PostOpKind::Sigmoid:
        return 1 / (1 + std::exp(-x));
      case PostOpKind::Silu:
        return x / (1 + std::exp(-x));
      case PostOpKind::Tanh:
        return std::tanh(x);
      default:
        break;
    }
  }
  return x < T{0} ? T{0} : x;  // relu, which keeps a NaN
}

}  // namespace trireme::compile
