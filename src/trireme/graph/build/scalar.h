// SPDX-License-Identifier: Apache-2.0
// Writing scalar expressions as C++ expressions.
#pragma once

#include <cstdint>

#include "trireme/graph/ir/expression.h"

namespace trireme::graph {

// A node of an expression that is being written. Arguments of an operator have one dtype: a mixture
// is an error of the row (std::logic_error).
class Scalar {
 public:
  Scalar(Expression& expression, ExprId id) : expression_(&expression), id_(id) {}
  DType dtype() const { return expression_->nodes[id_].dtype; }
  ExprId id() const { return id_; }
  Expression& expression() const { return *expression_; }
  // A constant of this one's dtype, in the same expression.
  Scalar constant(double value) const;

 private:
  Expression* expression_;
  ExprId id_;
};

Scalar apply(ScalarOp op, Scalar a);
Scalar apply(ScalarOp op, Scalar a, Scalar b);
Scalar cast(Scalar a, DType dtype);  // nothing where it has the dtype
Scalar select(Scalar condition, Scalar a, Scalar b);
// Of a condition that is not bool: "is not zero".
Scalar truth(Scalar a);

Scalar operator-(Scalar a);
Scalar operator!(Scalar a);
Scalar operator+(Scalar a, Scalar b);
Scalar operator-(Scalar a, Scalar b);
Scalar operator*(Scalar a, Scalar b);
Scalar operator/(Scalar a, Scalar b);
Scalar operator<(Scalar a, Scalar b);
Scalar operator<=(Scalar a, Scalar b);
Scalar operator>(Scalar a, Scalar b);
Scalar operator>=(Scalar a, Scalar b);
Scalar operator==(Scalar a, Scalar b);
Scalar operator!=(Scalar a, Scalar b);
Scalar operator&(Scalar a, Scalar b);
Scalar operator|(Scalar a, Scalar b);
// With a constant of the other's dtype.
Scalar operator+(Scalar a, double b);
Scalar operator-(Scalar a, double b);
Scalar operator-(double a, Scalar b);
Scalar operator*(Scalar a, double b);
Scalar operator/(Scalar a, double b);
Scalar operator/(double a, Scalar b);
Scalar operator<(Scalar a, double b);
Scalar operator<=(Scalar a, double b);
Scalar operator>(Scalar a, double b);
Scalar operator>=(Scalar a, double b);
Scalar operator==(Scalar a, double b);
Scalar operator!=(Scalar a, double b);

Scalar abs(Scalar a);
Scalar sqrt(Scalar a);
Scalar rsqrt(Scalar a);
Scalar exp(Scalar a);
Scalar log(Scalar a);
Scalar log1p(Scalar a);
Scalar tanh(Scalar a);
Scalar sigmoid(Scalar a);
Scalar minimum(Scalar a, Scalar b);
Scalar maximum(Scalar a, Scalar b);

}  // namespace trireme::graph
