// SPDX-License-Identifier: Apache-2.0
// Functions of whole vectors that compiled code calls where the program has them: those of libmvec,
// a part of glibc (of x86; most since 2.35), and of SLEEF, which libtorch carries and PyTorch's own
// kernels call.
#pragma once

#include <span>
#include <string>

#include "trireme/graph/ir/expression.h"

namespace trireme::compile {

struct VectorFunction {
  graph::ScalarOp op{};
  bool single = false;  // of f32; else of f64
  bool binary = false;
  unsigned lanes = 0;
  std::string symbol{};
};

// For this CPU's widest vectors; of those for the same op and dtype the first that there is is to
// be called. Errors are at most 2 ulp of f32 and 4 of f64.
std::span<const VectorFunction> vector_functions();

}  // namespace trireme::compile
