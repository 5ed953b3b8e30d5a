// SPDX-License-Identifier: Apache-2.0
// What the kernel IR says beyond single nodes: several inner loops in one row, values kept in
// scratch memory, masks, several top-level loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "trireme/compile/llvm/link.h"
#include "trireme/compile/llvm/module.h"

namespace trireme::compile::testing {
namespace {

constexpr int64_t kRows = 6;
constexpr int64_t kColumns = 37;

Place element(uint32_t buffer, LoopId row, LoopId column) {
  return {Place::Kind::Buffer, buffer, {0, {{row, kColumns}, {column, 1}}, {}}};
}

Place kept(LoopId column) { return {Place::Kind::Scratch, 0, {0, {{column, 1}}, {}}}; }

Compute op(RegisterId to, ScalarOp what, DType dtype, std::array<RegisterId, 3> args) {
  return {to, what, dtype, args, 0, 0, 0};
}

// b1 = softmax over the columns up to 8 * row of b0; then b2 = -b2, in the same kernel.
Kernel masked_softmax_and_negation() {
  constexpr DType kReal = DType::Float32;
  Kernel kernel;
  kernel.name = "softmax";
  kernel.buffers = {{kReal, false}, {kReal, true}, {kReal, true}};
  kernel.scratch = {{kReal, kColumns}};
  kernel.registers = 17;
  kernel.loops = 5;
  kernel.accumulators = 2;
  Compute nothing{3, ScalarOp::Constant, kReal};
  nothing.value = -std::numeric_limits<double>::infinity();
  Loop most{1, kColumns, LoopKind::Vector, {}};
  most.body = {{Affine{1, {0, {{1, 1}}, {}}}},
               {op(2, ScalarOp::Le, DType::Bool, {1, 0})},
               {nothing},
               {Load{4, element(0, 0, 1), 2}},
               {op(5, ScalarOp::Select, kReal, {2, 4, 3})},
               {Update{0, 5, {}}},
               {Store{5, kept(1), {}}}};
  Loop sum{2, kColumns, LoopKind::Vector, {}};
  sum.body = {{Load{7, kept(2), {}}},
              {op(8, ScalarOp::Sub, kReal, {7, 6})},
              {op(9, ScalarOp::Exp, kReal, {8})},
              {Update{1, 9, {}}},
              {Store{9, kept(2), {}}}};
  Loop quotient{3, kColumns, LoopKind::Vector, {}};
  quotient.body = {{Affine{11, {0, {{3, 1}}, {}}}},
                   {op(12, ScalarOp::Le, DType::Bool, {11, 0})},
                   {Load{13, kept(3), {}}},
                   {op(14, ScalarOp::Div, kReal, {13, 10})},
                   {Store{14, element(1, 0, 3), 12}}};
  Loop rows{0, kRows, LoopKind::Serial, {}};
  rows.body = {{Affine{0, {0, {{0, 8}}, {}}}},
               {Declare{0, ReduceOp::Maximum, kReal}},
               {most},
               {Read{0, 6, {}}},
               {Declare{1, ReduceOp::Sum, kReal}},
               {sum},
               {Read{1, 10, {}}},
               {quotient}};
  Loop negation{4, 20, LoopKind::Vector, {}};
  const Place at{Place::Kind::Buffer, 2, {0, {{4, 1}}, {}}};
  negation.body = {{Load{15, at, {}}}, {op(16, ScalarOp::Neg, kReal, {15})}, {Store{16, at, {}}}};
  kernel.body = {rows, negation};
  return kernel;
}

TEST(FusedKernel, SoftmaxBesideAnotherLoop) {
  const Kernel kernel = masked_softmax_and_negation();
  ASSERT_EQ(verify(kernel), std::nullopt) << print(kernel);
  const Module module = load_object(compile_object(std::span(&kernel, 1)));
  const KernelFunction function = module.function("softmax");
  ASSERT_EQ(range_of(kernel).constant(), kRows + 20);
  for (const int64_t step : {1, 4, 26}) {
    std::vector<float> in(kRows * kColumns);
    for (size_t i = 0; i < in.size(); ++i) in[i] = std::sin(static_cast<float>(i)) * 5;
    std::vector<float> out(in.size(), 7);
    std::vector<float> other(20);
    for (size_t i = 0; i < other.size(); ++i) other[i] = static_cast<float>(i) + 1;
    alignas(64) std::byte scratch[192];
    ASSERT_LE(scratch_offset(kernel, 1), sizeof(scratch));
    std::byte* buffers[] = {reinterpret_cast<std::byte*>(in.data()),
                            reinterpret_cast<std::byte*>(out.data()),
                            reinterpret_cast<std::byte*>(other.data())};
    for (int64_t at = 0; at < kRows + 20; at += step) {
      function(buffers, nullptr, nullptr, scratch, at, std::min(at + step, kRows + 20));
    }
    for (int64_t row = 0; row < kRows; ++row) {
      const int64_t end = std::min(8 * row + 1, kColumns);
      double sum = 0;
      for (int64_t i = 0; i < end; ++i) sum += std::exp(double{in[row * kColumns + i]});
      for (int64_t i = 0; i < kColumns; ++i) {
        const double wanted = i < end ? std::exp(double{in[row * kColumns + i]}) / sum : 7;
        // exp multiplies the half ulp of the difference by its size, below 10
        EXPECT_NEAR(out[row * kColumns + i], wanted, 2e-6 * wanted) << row << ", " << i;
      }
    }
    for (size_t i = 0; i < other.size(); ++i) EXPECT_EQ(other[i], -(static_cast<float>(i) + 1));
  }
}

}  // namespace
}  // namespace trireme::compile::testing
