// SPDX-License-Identifier: Apache-2.0
// Scalar expressions: what a map or a reduction computes at each point of its iteration space. An
// expression is a list of typed nodes, each made of earlier ones; results are named by `roots`.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "trireme/graph/ir/dtype.h"

namespace trireme::graph {

// Semantics are those of the ATen op of the same name on the CPU, at the node's dtype, unless said
// otherwise. Arguments of an arithmetic node have the node's dtype: conversions are Casts.
enum class ScalarOp : uint8_t {
  // --- leaves ---
  Load,      // the operand number `index`, at this point
  Number,    // the graph's scalar input number `index`, converted to the dtype
  Constant,  // `value`, or `integer` for integral dtypes
  Index,     // i64: the coordinate along dimension `index` of the iteration space
  Extent,    // i64: the size of dimension `index` of the iteration space
  // --- one argument ---
  Cast,  // any dtype to any other, as Tensor.to; float to bool is "not zero"
  Neg,
  Abs,  // of a complex argument: of its real dtype
  Sign,
  Not,  // bool: logical; integers: bitwise
  Ceil,
  Floor,
  Round,  // half to even
  Trunc,
  Sqrt,
  Rsqrt,
  Reciprocal,
  Exp,
  Exp2,
  Expm1,
  Log,
  Log2,
  Log10,
  Log1p,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  Erf,
  Erfc,
  Erfinv,
  Lgamma,
  Digamma,
  Sigmoid,
  IsNan,  // bool, of an argument of any dtype
  IsInf,  // bool, of an argument of any dtype
  Real,   // of a complex argument
  Imag,   // of a complex argument
  Conj,
  // --- two arguments ---
  Complex,  // of a real and an imaginary part
  Add,      // bool: or
  Sub,
  Mul,  // bool: and
  Div,  // floating; of integers: rounded towards zero, any result for a divisor 0
  FloorDiv,
  Fmod,       // sign of the dividend
  Remainder,  // sign of the divisor
  Pow,
  Atan2,
  Hypot,
  Copysign,
  Minimum,  // NaN if any argument is
  Maximum,
  Fmin,  // the other argument if one is NaN
  Fmax,
  Eq,  // comparisons: bool, of two arguments of one dtype
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  And,  // bitwise
  Or,
  Xor,
  ShiftLeft,
  ShiftRight,
  // --- three arguments ---
  Select,  // first (bool) ? second : third
};

inline constexpr size_t kScalarOpCount = static_cast<size_t>(ScalarOp::Select) + 1;

// In snake case: "rsqrt", "floor_div".
std::string_view name_of(ScalarOp op);
// 0 for leaves.
size_t arity(ScalarOp op);
bool is_comparison(ScalarOp op);

using ExprId = uint32_t;

struct ExprNode {
  ScalarOp op = ScalarOp::Constant;
  DType dtype = DType::Float32;
  std::array<ExprId, 3> args{};  // as many as the arity; the others 0
  uint32_t index = 0;            // Load, Number, Index, Extent
  int64_t integer = 0;           // Constant of an integral dtype
  double value = 0;  // Constant of a floating or complex dtype (its imaginary part is 0)

  bool operator==(const ExprNode& other) const;  // constants bit by bit: NaN equals itself
};

struct Expression {
  std::vector<ExprNode> nodes;  // arguments before their users
  std::vector<ExprId> roots;    // one per result

  bool operator==(const Expression&) const = default;
  // The expression that loads operand 0.
  static Expression load(DType dtype);
  // Adds a node, or finds an equal one.
  ExprId add(const ExprNode& node);
  // Whether it is nothing but Load of operand 0 (or a list of such).
  bool is_copy() const;
};

}  // namespace trireme::graph
