// SPDX-License-Identifier: Apache-2.0
// Scalar operations as the interpreter does them. Integers and bools are kept as int64_t, all
// floating types as double, complex ones as std::complex<double>; each result is rounded to its
// dtype. (Sums, products, quotients and square roots of floats are the same, rounded once or twice:
// a double has more than twice a float's digits.)
#pragma once

#include <complex>
#include <cstdint>

#include "trireme/graph/ir/expression.h"

namespace trireme::graph {

using Complex = std::complex<double>;

double round_to(DType dtype, double value);     // floating or complex dtype
Complex round_to(DType dtype, Complex value);   // complex dtype
int64_t wrap_to(DType dtype, int64_t value);    // integral dtype
int64_t to_integer(DType dtype, double value);  // as a C++ cast on x86, without its undefinedness

// Of arguments and a result of this dtype. Throws std::logic_error for an op that the type has not.
double apply_real(ScalarOp op, DType dtype, double a, double b);
int64_t apply_integer(ScalarOp op, DType dtype, int64_t a, int64_t b);
Complex apply_complex(ScalarOp op, DType dtype, Complex a, Complex b);

// Comparisons, IsNan, IsInf: of arguments of any type.
bool test_real(ScalarOp op, double a, double b);
bool test_integer(ScalarOp op, int64_t a, int64_t b);
bool test_complex(ScalarOp op, Complex a, Complex b);

}  // namespace trireme::graph
