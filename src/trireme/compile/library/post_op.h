// SPDX-License-Identifier: Apache-2.0
// What a library may do to each element of a product's or a convolution's result before it writes
// it.
#pragma once

#include <cstdint>

namespace trireme::compile {

enum class PostOpKind : uint8_t {
  Accumulate,  // adds what the result holds; of products only
  Relu,
  GeluErf,
  GeluTanh,
  Sigmoid,
  Silu,
  Tanh,
  Multiply,  // by another tensor
  Add,       // of another tensor
  Scale,     // by a number read at each run; of products only
};

// Whether another tensor is read.
inline bool has_other(PostOpKind kind) {
  return kind == PostOpKind::Multiply || kind == PostOpKind::Add;
}

}  // namespace trireme::compile
