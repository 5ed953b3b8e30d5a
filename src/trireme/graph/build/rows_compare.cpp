// SPDX-License-Identifier: Apache-2.0
// Comparisons, logic, bits, and the choices made by a mask.
#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/pointwise.h"

namespace trireme::graph {
namespace {

template <ScalarOp op>
void compare(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  if (op != ScalarOp::Eq && op != ScalarOp::Ne) {
    require(!is_complex(p.dtype()), "an order of complex numbers");
  }
  p.finish(apply(op, p[0], p[1]));
}

template <ScalarOp op>
void logical(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  p.finish(apply(op, truth(p[0]), truth(p[1])));
}

void logical_not(Lowering& lowering) {
  Pointwise p(lowering, {0});
  p.finish(!truth(p[0]));
}

template <ScalarOp op>
void bitwise(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(is_integral(p.dtype()), "bits of this dtype");
  p.finish(apply(op, p[0], p[1]));
}

template <ScalarOp op>
void shift(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(is_integral(p.dtype()) && p.dtype() != DType::Bool, "bits of this dtype");
  p.finish(apply(op, p[0], p[1]));
}

void bitwise_not(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(is_integral(p.dtype()), "bits of this dtype");
  p.finish(!p[0]);
}

void where(Lowering& lowering) {
  Pointwise p(lowering, {1, 2});
  p.finish(select(truth(p.raw(0)), p[1], p[2]));
}

// The value is converted to the tensor's type, and decides nothing.
void masked_fill(Lowering& lowering) {
  Pointwise p(lowering, {0});
  p.finish(select(truth(p.raw(1)), p[2], p[0]));
}

// isin(elements, test_elements, assume_unique, invert): compares with each of a few.
void isin(Lowering& lowering) {
  constexpr int64_t kFew = 16;
  const Tensor& elements = lowering.tensor(0);
  const Tensor& tests = lowering.tensor(1);
  require(elements.dtype == tests.dtype, "elements and what they are looked for in of two dtypes");
  require(tests.rank() <= 1, "what is looked in has several dimensions");
  const auto count = product(tests.sizes).constant();
  require(count && *count <= kFew, "many elements to look in");
  Loop loop(lowering, lowering.output(0).sizes);
  const Scalar element = loop.load(elements);
  require(!is_complex(element.dtype()), "complex numbers to look for");
  Scalar found = loop.constant(int64_t{0}, DType::Bool);
  for (int64_t i = 0; i < *count; ++i) {
    const Scalar equal = element == loop.load(tests.rank() == 0 ? tests : select(tests, 0, i));
    found = i == 0 ? equal : apply(ScalarOp::Or, found, equal);
  }
  loop.store(lowering.output(0), lowering.flag(3) ? !found : found);
  loop.map();
}

}  // namespace

void add_compare_rows(OpTable& table) {
  table.add(
      {"eq.Tensor", "eq_.Tensor", "eq.Tensor_out", "eq.Scalar", "eq_.Scalar", "eq.Scalar_out"},
      compare<ScalarOp::Eq>);
  table.add(
      {"ne.Tensor", "ne_.Tensor", "ne.Tensor_out", "ne.Scalar", "ne_.Scalar", "ne.Scalar_out"},
      compare<ScalarOp::Ne>);
  table.add(
      {"lt.Tensor", "lt_.Tensor", "lt.Tensor_out", "lt.Scalar", "lt_.Scalar", "lt.Scalar_out"},
      compare<ScalarOp::Lt>);
  table.add(
      {"le.Tensor", "le_.Tensor", "le.Tensor_out", "le.Scalar", "le_.Scalar", "le.Scalar_out"},
      compare<ScalarOp::Le>);
  table.add(
      {"gt.Tensor", "gt_.Tensor", "gt.Tensor_out", "gt.Scalar", "gt_.Scalar", "gt.Scalar_out"},
      compare<ScalarOp::Gt>);
  table.add(
      {"ge.Tensor", "ge_.Tensor", "ge.Tensor_out", "ge.Scalar", "ge_.Scalar", "ge.Scalar_out"},
      compare<ScalarOp::Ge>);
  table.add({"logical_and", "logical_and_", "logical_and.out"}, logical<ScalarOp::And>);
  table.add({"logical_or", "logical_or_", "logical_or.out"}, logical<ScalarOp::Or>);
  table.add({"logical_xor", "logical_xor_", "logical_xor.out"}, logical<ScalarOp::Xor>);
  table.add({"logical_not", "logical_not_", "logical_not.out"}, logical_not);
  table.add({"bitwise_and.Tensor", "bitwise_and_.Tensor", "bitwise_and.Tensor_out",
             "bitwise_and.Scalar", "bitwise_and_.Scalar", "bitwise_and.Scalar_out",
             "bitwise_and.Scalar_Tensor", "bitwise_and.Scalar_Tensor_out"},
            bitwise<ScalarOp::And>);
  table.add({"bitwise_or.Tensor", "bitwise_or_.Tensor", "bitwise_or.Tensor_out",
             "bitwise_or.Scalar", "bitwise_or_.Scalar", "bitwise_or.Scalar_out",
             "bitwise_or.Scalar_Tensor", "bitwise_or.Scalar_Tensor_out"},
            bitwise<ScalarOp::Or>);
  table.add({"bitwise_xor.Tensor", "bitwise_xor_.Tensor", "bitwise_xor.Tensor_out",
             "bitwise_xor.Scalar", "bitwise_xor_.Scalar", "bitwise_xor.Scalar_out",
             "bitwise_xor.Scalar_Tensor", "bitwise_xor.Scalar_Tensor_out"},
            bitwise<ScalarOp::Xor>);
  table.add({"bitwise_not", "bitwise_not_", "bitwise_not.out"}, bitwise_not);
  table.add({"bitwise_left_shift.Tensor", "bitwise_left_shift_.Tensor",
             "bitwise_left_shift.Tensor_out", "bitwise_left_shift.Tensor_Scalar",
             "bitwise_left_shift_.Tensor_Scalar", "bitwise_left_shift.Tensor_Scalar_out",
             "bitwise_left_shift.Scalar_Tensor", "bitwise_left_shift.Scalar_Tensor_out",
             "__lshift__.Tensor", "__lshift__.Scalar", "__ilshift__.Tensor", "__ilshift__.Scalar",
             "__lshift__.Tensor_out", "__lshift__.Scalar_out"},
            shift<ScalarOp::ShiftLeft>);
  table.add({"bitwise_right_shift.Tensor", "bitwise_right_shift_.Tensor",
             "bitwise_right_shift.Tensor_out", "bitwise_right_shift.Tensor_Scalar",
             "bitwise_right_shift_.Tensor_Scalar", "bitwise_right_shift.Tensor_Scalar_out",
             "bitwise_right_shift.Scalar_Tensor", "bitwise_right_shift.Scalar_Tensor_out",
             "__rshift__.Tensor", "__rshift__.Scalar", "__irshift__.Tensor", "__irshift__.Scalar",
             "__rshift__.Tensor_out", "__rshift__.Scalar_out"},
            shift<ScalarOp::ShiftRight>);
  table.add({"where.self", "where.self_out"}, where);
  table.add({"isin.Tensor_Tensor", "isin.Tensor_Tensor_out"}, isin);
  table.add({"masked_fill.Scalar", "masked_fill_.Scalar", "masked_fill.Scalar_out",
             "masked_fill.Tensor", "masked_fill_.Tensor", "masked_fill.Tensor_out"},
            masked_fill);
}

}  // namespace trireme::graph
