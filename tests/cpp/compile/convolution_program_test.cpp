// SPDX-License-Identifier: Apache-2.0
// Compiled graphs of convolutions against the interpreter: layouts, and what is done in their
// results.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "program_support.h"

namespace trireme::compile::testing {
namespace {

const std::string kInputs = R"(
    number n0: f64
    input %0: f32[2304]
    input %1: f32[2304]
    input %2: f32[16]
    input %3: f32[16]
    input %4: f32[16]
    input %5: f32[2304]
    input %6: f32[2304]
)";
// [1, 16, 12, 12] of %0 by [16, 16, 3, 3]
std::string convolve(const std::string& result, const std::string& input,
                     const std::string& weight) {
  return result + R"(: f32[2304] = convolve forward stride [1, 1] padding [1, 1] dilation [1, 1]
        output_padding [0, 0] groups 1
        (i0 < 1, i1 < 16, i2 < 12, i3 < 12 | i4 < 16, i5 < 3, i6 < 3) {
      a0 = )" +
         input + " at [1, 16, 12, 12]  a1 = " + weight + R"( at [16, 16, 3, 3]
    }
)";
}
std::string map(const std::string& result, const std::string& operands,
                const std::string& expression) {
  return result + ": f32[2304] = map (i0 < 1, i1 < 16, i2 < 12, i3 < 12) { " + operands +
         " return " + expression + "}\n";
}
std::string per_channel(const std::string& operand) {
  return operand + " at [1, 16, 12, 12 : 0, 1, 0, 0] ";
}

// Inputs of which sums stay about 1: what is cancelled in longer ones is not what is tested.
Case small(const std::string& text) {
  Case made(text);
  for (auto& bytes : made.memory) {
    for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
      float element = 0;
      std::memcpy(&element, bytes.data() + at, sizeof element);
      element /= 64;
      std::memcpy(bytes.data() + at, &element, sizeof element);
    }
  }
  return made;
}

const std::string kNorm =
    map("%8", "a0 = %7 " + per_channel("a1 = %2") + per_channel("a2 = %3") + per_channel("a3 = %4"),
        "add(mul(mul(sub(a0:f32, a1:f32), rsqrt(add(abs(a2:f32), n0:f32))), a3:f32), a1:f32)");

TEST(ConvolutionProgram, NormShortcutAndActivationInTheConvolution) {
  const std::string text = kInputs + convolve("%9", "%5", "%6") + convolve("%7", "%0", "%1") +
                           kNorm +
                           map("%10", "a0 = %8 a1 = %9", "maximum(add(a0:f32, a1:f32), 0:f32)") +
                           convolve("%11", "%10", "%6") + "output %11";
  EXPECT_EQ(steps_of(text), 4U);  // scales and shifts; three convolutions
  expect_same(small(text));
}

// Between two convolutions channels lie innermost.
TEST(ConvolutionProgram, EachActivation) {
  for (const char* activation :
       {"maximum(a0:f32, 0:f32)", "sigmoid(a0:f32)", "tanh(a0:f32)",
        "div(a0:f32, add(exp(neg(a0:f32)), 1:f32))",
        "mul(mul(a0:f32, 0.5:f32), add(erf(mul(a0:f32, 0.7071067811865476:f32)), 1:f32))"}) {
    const std::string text = kInputs + convolve("%7", "%0", "%1") +
                             map("%8", "a0 = %7", activation) + convolve("%9", "%8", "%6") +
                             "output %9";
    EXPECT_EQ(steps_of(text), 2U) << activation;
    expect_same(small(text));
  }
}

// The result leaves in the layout that the program knows.
TEST(ConvolutionProgram, AtTheEnd) {
  const std::string text = kInputs + convolve("%7", "%0", "%1") + kNorm +
                           map("%9", "a0 = %8 a1 = %5", "mul(add(a0:f32, a1:f32), a1:f32)") +
                           "output %9";
  expect_same(small(text));
}

// Both gradients, of and for values that lie channels last.
TEST(ConvolutionProgram, Gradients) {
  const std::string settings = R"( stride [1, 1] padding [1, 1] dilation [1, 1]
        output_padding [0, 0] groups 1 )";
  const std::string text = kInputs + map("%7", "a0 = %0", "mul(a0:f32, a0:f32)") +
                           map("%8", "a0 = %5", "neg(a0:f32)") +
                           "%9: f32[2304] = convolve grad_input" + settings +
                           R"((i0 < 1, i1 < 16, i2 < 12, i3 < 12 | i4 < 16, i5 < 3, i6 < 3) {
      a0 = %8 at [1, 16, 12, 12]  a1 = %1 at [16, 16, 3, 3]
    }
    %10: f32[2304] = convolve grad_weight)" +
                           settings +
                           R"((i0 < 16, i1 < 16, i2 < 3, i3 < 3 | i4 < 1, i5 < 12, i6 < 12) {
      a0 = %8 at [1, 16, 12, 12]  a1 = %7 at [1, 16, 12, 12]
    }
)" + map("%11", "a0 = %9 a1 = %7", "mul(a0:f32, a1:f32)") +
                           "output %11\noutput %10";
  expect_same(small(text));
}

// Kernels that lie across the layouts, one of which is the program's.
TEST(ConvolutionProgram, WhereLayoutsMeet) {
  const std::string text = kInputs + convolve("%7", "%0", "%1") +
                           map("%8", "a0 = %7 a1 = %5", "mul(sin(a0:f32), a1:f32)") + R"(
    %9: f32[16] = reduce sum (i0 < 16 | i1 < 12, i2 < 12) {
      a0 = %8 at [16, 12, 12]  return a0:f32
    }
)" + convolve("%10", "%8", "%6") +
                           "output %9\noutput %10";
  expect_same(small(text));
}

}  // namespace
}  // namespace trireme::compile::testing
