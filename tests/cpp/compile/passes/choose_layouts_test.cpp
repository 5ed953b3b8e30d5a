// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

// The elements of flat maps are images, channels and planes.
TEST(ChooseLayouts, BetweenConvolutions) {
  expect_rewritten("choose_layouts", R"(
    input %0: f32[512]
    input %1: f32[2304]
    input %2: f32[256]
    %3: f32[512] = convolve forward stride [1, 1] padding [1, 1] dilation [1, 1]
        output_padding [0, 0] groups 1 (i0 < 2, i1 < 16, i2 < 4, i3 < 4 | i4 < 16, i5 < 3, i6 < 3) {
      a0 = %0 at [2, 16, 4, 4]  a1 = %1 at [16, 16, 3, 3]
    }
    %4: f32[512] = map (i0 < 512) { a0 = %3  return maximum(a0:f32, 0:f32) }
    %5: f32[512] = convolve forward stride [1, 1] padding [0, 0] dilation [1, 1]
        output_padding [0, 0] groups 1 (i0 < 2, i1 < 16, i2 < 4, i3 < 4 | i4 < 16, i5 < 1, i6 < 1) {
      a0 = %4 at [2, 16, 4, 4]  a1 = %2 at [16, 16, 1, 1]
    }
    output %5
  )",
                   R"(
    input %0: f32[512]
    input %1: f32[2304]
    input %2: f32[256]
    %3: f32[512] at [2, 16, 4, 4 : 256, 1, 64, 16] = convolve forward stride [1, 1] padding [1, 1]
        dilation [1, 1] output_padding [0, 0] groups 1
        (i0 < 2, i1 < 16, i2 < 4, i3 < 4 | i4 < 16, i5 < 3, i6 < 3) {
      a0 = %0 at [2, 16, 4, 4]  a1 = %1 at [16, 16, 3, 3]
    }
    %4: f32[512] at [2, 16, 16 : 256, 1, 16] = map (i0 < 2, i1 < 16, i2 < 16) {
      a0 = %3 at [2, 16, 16 : 256, 1, 16]  return maximum(a0:f32, 0:f32)
    }
    %5: f32[512] = convolve forward stride [1, 1] padding [0, 0] dilation [1, 1]
        output_padding [0, 0] groups 1 (i0 < 2, i1 < 16, i2 < 4, i3 < 4 | i4 < 16, i5 < 1, i6 < 1) {
      a0 = %4 at [2, 16, 4, 4 : 256, 1, 64, 16]  a1 = %2 at [16, 16, 1, 1]
    }
    output %5
  )");
}

// A pool in windows over a padded copy, which is a value on top of another.
TEST(ChooseLayouts, ThroughPaddedPools) {
  expect_rewritten("choose_layouts", R"(
    input %0: f32[256]
    input %1: f32[256]
    %2: f32[256] = convolve forward stride [1, 1] padding [0, 0] dilation [1, 1]
        output_padding [0, 0] groups 1 (i0 < 1, i1 < 16, i2 < 4, i3 < 4 | i4 < 16, i5 < 1, i6 < 1) {
      a0 = %0 at [1, 16, 4, 4]  a1 = %1 at [16, 16, 1, 1]
    }
    %3: f32[400] = map (i0 < 400) { return -inf:f32 }
    %4: f32[400] at [1, 16, 4, 4 : 400, 25, 5, 1 : 6] over %3 =
        map (i0 < 1, i1 < 16, i2 < 4, i3 < 4) { a0 = %2  return a0:f32 }
    %5: f32[64] = reduce maximum (i0 < 1, i1 < 16, i2 < 2, i3 < 2 | i4 < 3, i5 < 3) {
      a0 = %4 at [1, 16, 2, 2, 3, 3 : 400, 25, 10, 2, 5, 1]  return a0:f32
    }
    output %5
  )",
                   R"(
    input %0: f32[256]
    input %1: f32[256]
    %2: f32[256] at [1, 16, 4, 4 : 256, 1, 64, 16] = convolve forward stride [1, 1] padding [0, 0]
        dilation [1, 1] output_padding [0, 0] groups 1
        (i0 < 1, i1 < 16, i2 < 4, i3 < 4 | i4 < 16, i5 < 1, i6 < 1) {
      a0 = %0 at [1, 16, 4, 4]  a1 = %1 at [16, 16, 1, 1]
    }
    %3: f32[400] at [16, 25 : 1, 16] = map (i0 < 16, i1 < 25) { return -inf:f32 }
    %4: f32[400] at [1, 16, 4, 4 : 400, 1, 80, 16 : 96] over %3 =
        map (i0 < 1, i1 < 16, i2 < 4, i3 < 4) {
      a0 = %2 at [1, 16, 4, 4 : 256, 1, 64, 16]  return a0:f32
    }
    %5: f32[64] = reduce maximum (i0 < 1, i1 < 16, i2 < 2, i3 < 2 | i4 < 3, i5 < 3) {
      a0 = %4 at [1, 16, 2, 2, 3, 3 : 400, 1, 160, 32, 80, 16]  return a0:f32
    }
    output %5
  )");
}

// Channels side by side in one value, each part at its own first channel.
TEST(ChooseLayouts, ThroughConcatenations) {
  expect_rewritten("choose_layouts", R"(
    input %0: f32[64]
    input %1: f32[128]
    input %2: f32[512]
    %3: f32[128] = map (i0 < 1, i1 < 16, i2 < 4) { a0 = %0  return neg(a0:f32) }
    %4: f32[128] at [1, 16, 4 : 128, 4, 1 : 64] over %3 = map (i0 < 1, i1 < 16, i2 < 4) {
      a0 = %0  return exp(a0:f32)
    }
    %5: f32[64] = convolve forward stride [1] padding [0] dilation [1] output_padding [0] groups 1
        (i0 < 1, i1 < 16, i2 < 4 | i3 < 32, i4 < 1) {
      a0 = %4 at [1, 32, 4]  a1 = %2 at [16, 32, 1]
    }
    output %5
  )",
                   R"(
    input %0: f32[64]
    input %1: f32[128]
    input %2: f32[512]
    %3: f32[128] at [1, 16, 4 : 16, 1, 32] = map (i0 < 1, i1 < 16, i2 < 4) {
      a0 = %0  return neg(a0:f32)
    }
    %4: f32[128] at [1, 16, 4 : 128, 1, 32 : 16] over %3 = map (i0 < 1, i1 < 16, i2 < 4) {
      a0 = %0  return exp(a0:f32)
    }
    %5: f32[64] = convolve forward stride [1] padding [0] dilation [1] output_padding [0] groups 1
        (i0 < 1, i1 < 16, i2 < 4 | i3 < 32, i4 < 1) {
      a0 = %4 at [1, 32, 4 : 128, 1, 32]  a1 = %2 at [16, 32, 1]
    }
    output %5
  )");
}

// The statistics of a batch; places within a plane that are read at run time.
TEST(ChooseLayouts, ThroughStatisticsAndGathers) {
  expect_rewritten("choose_layouts", R"(
    symbols 1
    input %0: f32[64*s0]
    input %1: f32[256]
    %2: i64[16*s0] = map (i0 < s0, i1 < 16) { return remainder(i1, 4:i64) }
    %3: f32[64*s0] = convolve forward stride [1] padding [0] dilation [1] output_padding [0]
        groups 1 (i0 < s0, i1 < 16, i2 < 4 | i3 < 16, i4 < 1) {
      a0 = %0 at [s0, 16, 4]  a1 = %1 at [16, 16, 1]
    }
    %4: f32[16] = reduce sum (i0 < 16 | i1 < s0, i2 < 4) {
      a0 = %3 at [16, s0, 4 : 4, 64, 1]  return a0:f32
    }
    %5: f32[16*s0] = gather [stride 1 bound 4] (i0 < s0, i1 < 16) {
      a0 = %3 at [s0, 16 : 64, 4]  a1 = %2
    }
    output %4
    output %5
  )",
                   R"(
    symbols 1
    input %0: f32[64*s0]
    input %1: f32[256]
    %2: i64[16*s0] = map (i0 < s0, i1 < 16) { return remainder(i1, 4:i64) }
    %3: f32[64*s0] at [s0, 16, 4 : 64, 1, 16] = convolve forward stride [1] padding [0] dilation [1]
        output_padding [0] groups 1 (i0 < s0, i1 < 16, i2 < 4 | i3 < 16, i4 < 1) {
      a0 = %0 at [s0, 16, 4]  a1 = %1 at [16, 16, 1]
    }
    %4: f32[16] = reduce sum (i0 < 16 | i1 < s0, i2 < 4) {
      a0 = %3 at [16, s0, 4 : 1, 64, 16]  return a0:f32
    }
    %5: f32[16*s0] = gather [stride 16 bound 4] (i0 < s0, i1 < 16) {
      a0 = %3 at [s0, 16 : 64, 1]  a1 = %2
    }
    output %4
    output %5
  )",
                   0, {2});
}

constexpr const char* kConvolution = R"(
    input %0: f32[64]
    input %1: f32[256]
    %2: f32[64] = convolve forward stride [1] padding [0] dilation [1] output_padding [0] groups 1
        (i0 < 1, i1 < 16, i2 < 4 | i3 < 16, i4 < 1) {
      a0 = %0 at [1, 16, 4]  a1 = %1 at [16, 16, 1]
    }
)";

TEST(ChooseLayouts, NotOfWhatTheProgramSees) {
  expect_unchanged("choose_layouts", std::string(kConvolution) + "output %2");
}

TEST(ChooseLayouts, NotOfArgumentsOfCalls) {
  expect_unchanged("choose_layouts", std::string(kConvolution) + R"(
    %3: f32[64] at [64] = opaque "aten::sort" () { a0 = %2 at [64] }
    output %3
  )");
}

// Groups of few channels, as of a group norm, would keep most lanes idle.
TEST(ChooseLayouts, NotForFewChannelsAtATime) {
  expect_unchanged("choose_layouts", std::string(kConvolution) + R"(
    %3: f32[4] = reduce sum (i0 < 4 | i1 < 16) { a0 = %2 at [4, 16]  return a0:f32 }
    output %3
  )");
}

// A dimension that would have to be two, and whose coordinate is asked for.
TEST(ChooseLayouts, NotWhereCoordinatesCount) {
  expect_unchanged("choose_layouts", std::string(kConvolution) + R"(
    %3: f32[64] = map (i0 < 64) { a0 = %2  return mul(a0:f32, cast(i0):f32) }
    output %3
  )");
}

// Runs backwards, or from one channel into the next.
TEST(ChooseLayouts, NotForOtherWalks) {
  expect_unchanged("choose_layouts", std::string(kConvolution) + R"(
    %3: f32[9] = map (i0 < 9) { a0 = %2 at [9 : 7]  return a0:f32 }
    output %3
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
