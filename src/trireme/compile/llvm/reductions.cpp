// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/reductions.h"

#include <cmath>
#include <limits>

namespace trireme::compile {

using graph::DType;
using graph::ReduceOp;
using graph::ScalarOp;
using llvm::Value;

namespace {

constexpr int64_t kNowhere = std::numeric_limits<int64_t>::max();

bool is_arg(ReduceOp op) { return op == ReduceOp::ArgMaximum || op == ReduceOp::ArgMinimum; }
bool is_minimum(ReduceOp op) { return op == ReduceOp::Minimum || op == ReduceOp::ArgMinimum; }
bool is_extreme(ReduceOp op) {
  return is_arg(op) || op == ReduceOp::Maximum || op == ReduceOp::Minimum;
}

}  // namespace

Reduction::Reduction(llvm::IRBuilder<>& builder, ReduceOp op, DType dtype)
    : b_(builder), scalars_(builder), op_(op), dtype_(dtype) {}

bool Reduction::drifts() const { return graph::is_floating(dtype_) && !is_extreme(op_); }

DType Reduction::kept() const {
  const bool small = dtype_ == DType::Float16 || dtype_ == DType::BFloat16;
  return small && !is_extreme(op_) ? DType::Float32 : dtype_;
}

std::vector<llvm::Constant*> Reduction::empty() const {
  llvm::Type* type = scalars_.type(kept());
  const auto real = [&](double value) { return llvm::ConstantFP::get(type, value); };
  const double infinity = std::numeric_limits<double>::infinity();
  llvm::Constant* start = llvm::Constant::getNullValue(type);
  if (is_extreme(op_)) {
    if (graph::is_floating(dtype_)) {
      start = real(is_minimum(op_) ? infinity : -infinity);
    } else {
      const unsigned bits = type->getIntegerBitWidth();
      const bool negative = graph::is_signed(dtype_);
      const llvm::APInt low =
          negative ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getMinValue(bits);
      const llvm::APInt high =
          negative ? llvm::APInt::getSignedMaxValue(bits) : llvm::APInt::getMaxValue(bits);
      start = llvm::ConstantInt::get(type, is_minimum(op_) ? high : low);
    }
    if (is_arg(op_)) return {start, llvm::ConstantInt::get(b_.getInt64Ty(), kNowhere)};
    return {start};
  }
  switch (op_) {
    case ReduceOp::Product:
      return {graph::is_floating(dtype_) ? real(1) : llvm::ConstantInt::get(type, 1)};
    case ReduceOp::All:
      return {llvm::ConstantInt::get(type, 1)};
    case ReduceOp::Welford:
      // count; a pivot, NaN: none yet; sums of the differences from it and of their squares
      return {real(0), real(std::nan("")), real(0), real(0)};
    case ReduceOp::LogSumExp:
      return {real(-infinity), real(0)};  // maximum, sum of exponentials of differences from it
    default:
      return {start};
  }
}

// Welford: count, mean, sum of squared differences from it.
std::vector<llvm::Constant*> Reduction::settled_empty() const {
  if (op_ != ReduceOp::Welford) return empty();
  return {3, llvm::Constant::getNullValue(scalars_.type(kept()))};
}

// exp(from - to), where equal infinities give 1.
Value* Reduction::scale(Value* from, Value* to) {
  Value* none = llvm::Constant::getNullValue(from->getType());
  return scalars_.exp(b_.CreateSelect(b_.CreateFCmpOEQ(from, to), none, b_.CreateFSub(from, to)));
}

Reduction::State Reduction::with(const State& state, Value* value, Value* position) {
  const unsigned lanes = Scalars::lanes(state[0]);
  value = scalars_.widen(scalars_.cast({value, dtype_}, kept()), lanes);
  if (is_arg(op_)) return combine(state, {value, scalars_.widen(position, lanes)});
  if (op_ == ReduceOp::LogSumExp) {
    llvm::Constant* one = llvm::ConstantFP::get(value->getType(), 1);
    llvm::Constant* none = llvm::Constant::getNullValue(value->getType());
    Value* difference =
        b_.CreateSelect(b_.CreateFCmpOEQ(value, state[0]), none, b_.CreateFSub(value, state[0]));
    Value* factor =
        scalars_.exp(b_.CreateFNeg(b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, difference)));
    Value* more = b_.CreateFCmpOGT(difference, none);
    Value* old = b_.CreateSelect(more, b_.CreateFMul(state[1], factor), state[1]);
    Value* most = scalars_.apply(ScalarOp::Maximum, kept(),
                                 {Typed{state[0], kept()}, Typed{value, kept()}, Typed{}});
    return {most, b_.CreateFAdd(old, b_.CreateSelect(more, one, factor))};
  }
  if (op_ == ReduceOp::Welford) {
    // The pivot is the mean of what was settled, or the first value: the squares of n differences
    // from it sum up to at most n times what is wanted.
    Value* pivot = b_.CreateSelect(b_.CreateFCmpUNO(state[1], state[1]), value, state[1]);
    Value* difference = b_.CreateFSub(value, pivot);
    Value* count = b_.CreateFAdd(state[0], llvm::ConstantFP::get(value->getType(), 1));
    return {count, pivot, b_.CreateFAdd(state[2], difference),
            b_.CreateFAdd(state[3], b_.CreateFMul(difference, difference))};
  }
  return combine(state, {value});
}

Reduction::State Reduction::settle(const State& running) {
  if (op_ != ReduceOp::Welford) return running;
  llvm::Constant* none = llvm::Constant::getNullValue(running[0]->getType());
  llvm::Constant* one = llvm::ConstantFP::get(running[0]->getType(), 1);
  Value* divisor = b_.CreateSelect(b_.CreateFCmpOEQ(running[0], none), one, running[0]);
  Value* shift = b_.CreateFDiv(running[2], divisor);
  Value* squares = b_.CreateFSub(running[3], b_.CreateFMul(running[2], shift));
  squares = b_.CreateSelect(b_.CreateFCmpOLT(squares, none), none, squares);
  Value* mean =
      b_.CreateSelect(b_.CreateFCmpOEQ(running[0], none), none, b_.CreateFAdd(running[1], shift));
  return {running[0], mean, squares};
}

Reduction::State Reduction::restart(const State& settled) {
  State state;
  for (llvm::Constant* one : empty()) {
    const unsigned lanes = Scalars::lanes(settled[0]);
    state.push_back(lanes == 1
                        ? one
                        : llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(lanes), one));
  }
  if (op_ == ReduceOp::Welford) {
    llvm::Constant* none = llvm::Constant::getNullValue(settled[0]->getType());
    state[1] = b_.CreateSelect(b_.CreateFCmpOEQ(settled[0], none), state[1], settled[1]);
  }
  return state;
}

Reduction::State Reduction::combine(const State& a, const State& b) {
  const bool floating = graph::is_floating(kept());
  switch (op_) {
    case ReduceOp::Sum:
      if (kept() == DType::Bool) return {b_.CreateOr(a[0], b[0])};
      return {floating ? b_.CreateFAdd(a[0], b[0]) : b_.CreateAdd(a[0], b[0])};
    case ReduceOp::Product:
      if (kept() == DType::Bool) return {b_.CreateAnd(a[0], b[0])};
      return {floating ? b_.CreateFMul(a[0], b[0]) : b_.CreateMul(a[0], b[0])};
    case ReduceOp::Any:
      return {b_.CreateOr(a[0], b[0])};
    case ReduceOp::All:
      return {b_.CreateAnd(a[0], b[0])};
    case ReduceOp::Maximum:
    case ReduceOp::Minimum:
      // a NaN of the second argument loses no comparison only if it is asked for first
      return {scalars_.apply(is_minimum(op_) ? ScalarOp::Minimum : ScalarOp::Maximum, dtype_,
                             {Typed{a[0], dtype_}, Typed{b[0], dtype_}, Typed{}})};
    case ReduceOp::ArgMaximum:
    case ReduceOp::ArgMinimum: {
      const ScalarOp better = is_minimum(op_) ? ScalarOp::Lt : ScalarOp::Gt;
      const Typed x{b[0], dtype_};
      const Typed y{a[0], dtype_};
      Value* wins = scalars_.apply(better, DType::Bool, {x, y, Typed{}});
      Value* same = scalars_.apply(ScalarOp::Eq, DType::Bool, {x, y, Typed{}});
      if (floating) {
        Value* nan = b_.CreateFCmpUNO(b[0], b[0]);
        Value* had = b_.CreateFCmpUNO(a[0], a[0]);
        wins = b_.CreateOr(wins, b_.CreateAnd(nan, b_.CreateNot(had)));
        same = b_.CreateOr(same, b_.CreateAnd(nan, had));
      }
      wins = b_.CreateOr(wins, b_.CreateAnd(same, b_.CreateICmpSLT(b[1], a[1])));
      return {b_.CreateSelect(wins, b[0], a[0]), b_.CreateSelect(wins, b[1], a[1])};
    }
    case ReduceOp::Welford: {  // Chan, Golub and LeVeque, 1979
      Value* zero = llvm::Constant::getNullValue(a[0]->getType());
      Value* count = b_.CreateFAdd(a[0], b[0]);
      Value* none = b_.CreateFCmpOEQ(b[0], zero);
      Value* difference = b_.CreateFSub(b[1], a[1]);
      llvm::Constant* one = llvm::ConstantFP::get(count->getType(), 1);
      Value* share = b_.CreateFDiv(b[0], b_.CreateSelect(none, one, count));
      Value* mean = b_.CreateFAdd(a[1], b_.CreateFMul(difference, share));
      Value* between =
          b_.CreateFMul(b_.CreateFMul(difference, difference), b_.CreateFMul(a[0], share));
      Value* squares = b_.CreateFAdd(b_.CreateFAdd(a[2], b[2]), between);
      return {count, b_.CreateSelect(none, a[1], mean), b_.CreateSelect(none, a[2], squares)};
    }
    case ReduceOp::LogSumExp: {
      Value* most = scalars_.apply(ScalarOp::Maximum, kept(),
                                   {Typed{a[0], kept()}, Typed{b[0], kept()}, Typed{}});
      Value* sum = b_.CreateFAdd(b_.CreateFMul(a[1], scale(a[0], most)),
                                 b_.CreateFMul(b[1], scale(b[0], most)));
      return {most, sum};
    }
  }
  throw CompileError("kernel compiler: an unknown reduction");
}

std::vector<Typed> Reduction::result(const State& state) {
  if (is_arg(op_)) return {{state[1], DType::Int64}};
  const auto rounded = [&](Value* value) {
    return Typed{scalars_.cast({value, kept()}, dtype_), dtype_};
  };
  if (op_ == ReduceOp::Welford) {
    Value* none = b_.CreateFCmpOEQ(state[0], llvm::Constant::getNullValue(state[0]->getType()));
    Value* nan = llvm::ConstantFP::get(state[0]->getType(), std::nan(""));
    return {rounded(b_.CreateSelect(none, nan, state[1])), rounded(state[2])};
  }
  if (op_ == ReduceOp::LogSumExp) {
    Value* size = b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, state[0]);
    Value* infinity = llvm::ConstantFP::getInfinity(size->getType());
    Value* finite = b_.CreateFCmpOLT(size, infinity);
    Value* total = b_.CreateFAdd(state[0], scalars_.log(state[1]));
    return {rounded(b_.CreateSelect(finite, total, state[0]))};
  }
  return {rounded(state[0])};
}

}  // namespace trireme::compile
