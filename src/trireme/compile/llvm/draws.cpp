// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/draws.h"

#include <llvm/IR/Intrinsics.h>

#include <cmath>
#include <numbers>

#include "trireme/base/philox.h"

namespace trireme::compile {

using graph::Distribution;
using graph::DType;
using graph::ScalarOp;
using llvm::Value;

namespace {

constexpr uint64_t kLow = 0xffffffff;

bool is_double(DType dtype) { return dtype == DType::Float64; }

}  // namespace

Value* Draws::constant(Value* like, uint64_t value) {
  return llvm::ConstantInt::get(like->getType(), value);
}

Value* Draws::number(Value* like, double value) {
  return llvm::ConstantFP::get(like->getType(), value);
}

Value* Draws::real(Value* whole) {
  return scalars_.cast({whole, DType::Int64}, DType::Float64);  // below 2^63
}

// Words in 64 bits: products of 32-bit numbers are what CPUs have for them.
Draws::Words Draws::block(Value* index) {
  const unsigned count = Scalars::lanes(index);
  const auto low = [&](Value* x) { return b_.CreateAnd(x, constant(x, kLow)); };
  const auto high = [&](Value* x) { return b_.CreateLShr(x, constant(x, 32)); };
  const auto wide = [&](Value* x) { return scalars_.widen(x, count); };
  Words words{low(index), high(index), wide(low(offset_)), wide(high(offset_))};
  std::array<Value*, 2> key{low(seed_), high(seed_)};
  for (int round = 0; round < base::philox::kRounds; ++round) {
    Value* first = b_.CreateMul(words[0], constant(words[0], base::philox::kMultiplier0));
    Value* second = b_.CreateMul(words[2], constant(words[2], base::philox::kMultiplier1));
    words = {b_.CreateXor(b_.CreateXor(high(second), words[1]), wide(key[0])), low(second),
             b_.CreateXor(b_.CreateXor(high(first), words[3]), wide(key[1])), low(first)};
    key = {low(b_.CreateAdd(key[0], constant(key[0], base::philox::kWeyl0))),
           low(b_.CreateAdd(key[1], constant(key[1], base::philox::kWeyl1)))};
  }
  return words;
}

Value* Draws::draw32(Value* element) {
  const Words words = block(b_.CreateLShr(element, constant(element, 2)));
  const auto bit = [&](uint64_t which) {
    Value* masked = b_.CreateAnd(element, constant(element, which));
    return b_.CreateICmpNE(masked, constant(element, 0));
  };
  Value* odd = bit(1);
  return b_.CreateSelect(bit(2), b_.CreateSelect(odd, words[3], words[2]),
                         b_.CreateSelect(odd, words[1], words[0]));
}

Value* Draws::draw64(Value* element) {
  const Words words = block(b_.CreateLShr(element, constant(element, 1)));
  Value* masked = b_.CreateAnd(element, constant(element, 1));
  Value* odd = b_.CreateICmpNE(masked, constant(element, 0));
  Value* low = b_.CreateSelect(odd, words[2], words[0]);
  Value* high = b_.CreateSelect(odd, words[3], words[1]);
  return b_.CreateOr(low, b_.CreateShl(high, constant(high, 32)));
}

// As the device's own kernels: in f32 for what is no f64; what rounds up to the end becomes the
// largest value below it.
Value* Draws::uniform(DType dtype, Value* element, Value* from, Value* to) {
  const DType compute = is_double(dtype) ? DType::Float64 : DType::Float32;
  const unsigned count = Scalars::lanes(element);
  const auto in = [&](Value* x, DType type) { return scalars_.cast({x, DType::Float64}, type); };
  Value* unit = nullptr;
  if (is_double(dtype)) {
    Value* bits = b_.CreateLShr(draw64(element), constant(element, 11));
    unit = b_.CreateFMul(real(bits),
                         llvm::ConstantFP::get(scalars_.widen(to, count)->getType(), 0x1p-53));
  } else {
    Value* bits = b_.CreateLShr(draw32(element), constant(element, 8));
    unit = scalars_.cast({bits, DType::Int64}, DType::Float32);
    unit = b_.CreateFMul(unit, number(unit, 0x1p-24));
  }
  // the number below `to` in the dtype: its bits, one nearer to zero, or further below it
  Value* end = scalars_.to_memory(in(to, dtype), dtype);
  auto* bits_type = b_.getIntNTy(static_cast<unsigned>(graph::size_of(dtype)) * 8);
  Value* bits = b_.CreateBitCast(end, bits_type);
  Value* negative = b_.CreateICmpSLT(bits, constant(bits, 0));
  Value* nearer = b_.CreateSelect(negative, b_.CreateAdd(bits, constant(bits, 1)),
                                  b_.CreateSub(bits, constant(bits, 1)));
  const uint64_t sign = uint64_t{1} << (bits_type->getBitWidth() - 1);
  Value* magnitude = b_.CreateAnd(bits, constant(bits, ~sign));
  Value* zero = b_.CreateICmpEQ(magnitude, constant(bits, 0));
  nearer = b_.CreateSelect(zero, constant(bits, sign | 1), nearer);
  Value* below = scalars_.from_memory(b_.CreateBitCast(nearer, end->getType()), dtype);
  Value* lowest = in(from, dtype);
  Value* last = b_.CreateSelect(b_.CreateFCmpOLT(below, lowest), lowest, below);
  Value* start = in(from, compute);
  Value* span = b_.CreateFSub(in(to, compute), start);
  Value* value =
      b_.CreateFAdd(b_.CreateFMul(unit, scalars_.widen(span, count)), scalars_.widen(start, count));
  last = scalars_.widen(last, count);
  value = b_.CreateSelect(b_.CreateFCmpOLT(value, last), value, last);
  return compute == dtype ? value : scalars_.from_memory(scalars_.to_memory(value, dtype), dtype);
}

// In (0, 1), f64.
Value* Draws::open_unit(DType dtype, Value* element) {
  if (is_double(dtype)) {
    Value* unit = real(b_.CreateLShr(draw64(element), constant(element, 12)));
    return b_.CreateFMul(b_.CreateFAdd(unit, number(unit, 0.5)), number(unit, 0x1p-52));
  }
  Value* unit = real(draw32(element));
  return b_.CreateFMul(b_.CreateFAdd(unit, number(unit, 0.5)), number(unit, 0x1p-32));
}

Value* Draws::function(ScalarOp op, DType dtype, Value* x) {
  return is_double(dtype) ? scalars_.call_library(op, x) : scalars_.wide_math(op, x);
}

// Box-Muller, of a pair of elements.
Value* Draws::normal(DType dtype, Value* element) {
  Value* even = b_.CreateAnd(element, constant(element, ~uint64_t{1}));
  Value* odd = b_.CreateOr(element, constant(element, 1));
  Value* radius = function(ScalarOp::Log, dtype, open_unit(dtype, even));
  radius = b_.CreateFMul(radius, number(radius, -2));
  radius = b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, radius);
  Value* turn =
      is_double(dtype) ? real(b_.CreateLShr(draw64(odd), constant(odd, 11))) : real(draw32(odd));
  turn = b_.CreateFMul(turn, number(turn, is_double(dtype) ? 0x1p-53 : 0x1p-32));
  Value* angle = b_.CreateFMul(turn, number(turn, 2 * std::numbers::pi));
  Value* cosine = function(ScalarOp::Cos, dtype, angle);
  Value* sine = function(ScalarOp::Sin, dtype, angle);
  Value* second = b_.CreateICmpNE(element, even);
  return b_.CreateFMul(radius, b_.CreateSelect(second, sine, cosine));
}

Value* Draws::exponential(DType dtype, Value* element, Value* rate) {
  Value* log = function(ScalarOp::Log, dtype, open_unit(dtype, element));
  return b_.CreateFDiv(b_.CreateFNeg(log), scalars_.widen(rate, Scalars::lanes(log)));
}

// from + the high half of draw * (to - from).
Value* Draws::integer(Value* element, Value* from, Value* to) {
  const auto whole = [&](Value* x) { return scalars_.cast({x, DType::Float64}, DType::Int64); };
  const unsigned count = Scalars::lanes(element);
  Value* low = scalars_.widen(whole(from), count);
  Value* range = b_.CreateSub(scalars_.widen(whole(to), count), low);
  Value* draw = draw64(element);
  const auto lower = [&](Value* x) { return b_.CreateAnd(x, constant(x, kLow)); };
  const auto upper = [&](Value* x) { return b_.CreateLShr(x, constant(x, 32)); };
  Value* cross = b_.CreateMul(upper(draw), lower(range));
  cross = b_.CreateAdd(cross, upper(b_.CreateMul(lower(draw), lower(range))));
  Value* other = b_.CreateAdd(b_.CreateMul(lower(draw), upper(range)), lower(cross));
  Value* high = b_.CreateMul(upper(draw), upper(range));
  high = b_.CreateAdd(high, b_.CreateAdd(upper(cross), upper(other)));
  return b_.CreateAdd(low, high);
}

Value* Draws::draw(Distribution distribution, DType dtype, Value* position,
                   std::array<Value*, 2> parameters) {
  const unsigned count = Scalars::lanes(position);
  const auto wide = [&](Value* x) { return scalars_.widen(x, count); };
  switch (distribution) {
    case Distribution::Uniform:
      return uniform(dtype, position, parameters[0], parameters[1]);
    case Distribution::Normal: {
      Value* value = b_.CreateFAdd(wide(parameters[0]),
                                   b_.CreateFMul(wide(parameters[1]), normal(dtype, position)));
      return scalars_.cast({value, DType::Float64}, dtype);
    }
    case Distribution::Exponential:
      return scalars_.cast({exponential(dtype, position, parameters[0]), DType::Float64}, dtype);
    case Distribution::Bernoulli: {
      Value* scaled = b_.CreateFMul(parameters[0], number(parameters[0], 0x1p32));
      Value* bound = b_.CreateUnaryIntrinsic(llvm::Intrinsic::round, scaled);
      bound = scalars_.cast({bound, DType::Float64}, DType::Int64);
      Value* holds = b_.CreateICmpSLT(draw32(position), wide(bound));
      return scalars_.cast({holds, DType::Bool}, dtype);
    }
    case Distribution::Integer:
      return scalars_.cast({integer(position, parameters[0], parameters[1]), DType::Int64}, dtype);
  }
  throw CompileError("kernel compiler: an unknown distribution");
}

}  // namespace trireme::compile
