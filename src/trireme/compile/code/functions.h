// SPDX-License-Identifier: Apache-2.0
// Functions that compiled code calls: the C library's, and the few it has not.
#pragma once

#include <span>

#include "trireme/graph/ir/expression.h"

namespace trireme::compile {

struct MathFunction {
  graph::ScalarOp op;
  const char* name;                   // of the symbol
  double (*unary)(double) = nullptr;  // one of the two
  double (*binary)(double, double) = nullptr;
};

std::span<const MathFunction> math_functions();
// Null: none.
const MathFunction* math_function(graph::ScalarOp op);

}  // namespace trireme::compile
