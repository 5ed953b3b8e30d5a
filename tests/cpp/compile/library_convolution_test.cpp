// SPDX-License-Identifier: Apache-2.0
// Held against the graph's interpreter.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "library_support.h"
#include "trireme/compile/library/convolution.h"
#include "trireme/graph/interpret/interpret.h"

namespace trireme::compile {
namespace {

using graph::Convolve;
using graph::ConvolveKind;
using graph::DType;
using graph::Extents;
using graph::Graph;
using graph::View;
using testing::Elements;
using testing::Memory;

View view_of(const std::vector<int64_t>& sizes, bool channels_last) {
  View view = View::row_major(Extents(sizes.begin(), sizes.end()));
  if (!channels_last) return view;
  int64_t stride = sizes[1];
  for (size_t i = sizes.size(); i-- > 2;) {
    view.strides[i] = stride;
    stride *= sizes[i];
  }
  view.strides[1] = 1;
  view.strides[0] = stride;
  return view;
}

struct Case {
  int64_t batch = 2;
  int64_t in = 8;  // channels
  int64_t out = 16;
  int64_t groups = 1;
  std::vector<int64_t> image{9, 7};
  std::vector<int64_t> taps{3, 3};
  int64_t stride = 1;
  int64_t padding = 1;
  int64_t dilation = 1;
  bool transposed = false;
  bool channels_last = false;
  bool packed_weight = false;
  DType dtype = DType::Float32;
};

Graph graph_of(const Case& c, ConvolveKind kind) {
  std::vector<int64_t> input{c.batch, c.in};
  std::vector<int64_t> weight{c.transposed ? c.in : c.out,
                              (c.transposed ? c.out : c.in) / c.groups};
  std::vector<int64_t> output{c.batch, c.out};
  Convolve convolve{kind, {}, {}, {}, {}, c.groups, c.transposed};
  for (size_t i = 0; i < c.image.size(); ++i) {
    const int64_t reach = c.dilation * (c.taps[i] - 1) + 1;
    input.push_back(c.image[i]);
    weight.push_back(c.taps[i]);
    output.push_back(c.transposed ? (c.image[i] - 1) * c.stride - 2 * c.padding + reach
                                  : (c.image[i] + 2 * c.padding - reach) / c.stride + 1);
    convolve.stride.push_back(c.stride);
    convolve.padding.push_back(c.padding);
    convolve.dilation.push_back(c.dilation);
    convolve.output_padding.push_back(0);
  }
  const View views[] = {view_of(input, c.channels_last), view_of(weight, false),
                        view_of(output, c.channels_last)};
  const int roles[3][3] = {{0, 1, 2}, {2, 1, 0}, {2, 0, 1}};
  const int* role = roles[static_cast<int>(kind)];
  Graph graph;
  graph::Node node{convolve};
  for (int i = 0; i < 2; ++i) {
    const View& view = views[role[i]];
    node.operands.push_back({graph.add_input(c.dtype, view.element_count()), c.dtype, view});
  }
  const View& view = views[role[2]];
  const graph::ValueId result = graph.add_value(c.dtype, view.element_count());
  node.results.push_back({result, c.dtype, view});
  graph.nodes.push_back(node);
  graph.outputs.push_back({result, {}});
  return graph;
}

::testing::AssertionResult agrees(const Case& c, ConvolveKind kind, ConvolutionFormats formats,
                                  bool may_decline) {
  const Graph graph = graph_of(c, kind);
  const graph::Node& node = graph.nodes[0];
  ConvolutionProblem problem = problem_of(node, {});
  problem.packed_weight = c.packed_weight;
  const ConvolutionResult made = make_convolution(problem, formats);
  if (!made.convolution) {
    if (may_decline && !made.reason.empty()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "declined: " << made.reason;
  }
  std::mt19937 random(7);
  const auto count = [&](graph::ValueId value) { return *graph.values[value].count.constant(); };
  const Elements first(c.dtype, count(node.operands[0].value));
  const Elements second(c.dtype, count(node.operands[1].value));
  first.fill(random);
  second.fill(random);
  const Elements result(c.dtype, count(node.results[0].value));
  const Memory scratch(made.convolution->scratch_bytes());
  const Memory packed(made.convolution->packed_bytes());
  const void* weight = second.data();
  if (c.packed_weight) {
    made.convolution->pack(weight, packed.data(), scratch.data());
    weight = packed.data();
  }
  made.convolution->run(first.data(), weight, result.data(), {}, scratch.data());
  graph::Inputs inputs;
  for (const Elements* elements : {&first, &second}) {
    inputs.buffers.emplace_back(elements->data(),
                                static_cast<size_t>(elements->count()) * graph::size_of(c.dtype));
  }
  const auto expected = graph::interpret(graph, inputs, nullptr);
  const Elements reference(c.dtype, result.count());
  std::ranges::copy(expected[0].bytes(), reference.data());
  const double narrow = c.dtype == DType::Float32 ? 1e-4 : c.dtype == DType::Float16 ? 4e-3 : 2e-2;
  for (int64_t i = 0; i < result.count(); ++i) {
    if (!(std::abs(result.get(i) - reference.get(i)) <=
          narrow * (1 + std::abs(reference.get(i))))) {
      return ::testing::AssertionFailure()
             << made.convolution->description() << ": " << result.get(i) << " instead of "
             << reference.get(i) << " at " << i;
    }
  }
  return ::testing::AssertionSuccess();
}

std::vector<Case> cases() {
  std::vector<Case> all(1);
  const auto add = [&](auto change) {
    Case c;
    change(c);
    all.push_back(c);
  };
  add([](Case& c) { c.stride = 2; });
  add([](Case& c) { c.dilation = 2, c.padding = 2; });
  add([](Case& c) { c.groups = 2; });
  add([](Case& c) { c.groups = 8, c.in = 8, c.out = 8; });  // depthwise
  add([](Case& c) { c.in = 3, c.stride = 2, c.image = {11, 12}; });
  add([](Case& c) { c.taps = {1, 1}, c.padding = 0; });
  add([](Case& c) { c.image = {17}, c.taps = {5}; });
  add([](Case& c) { c.image = {5, 6, 4}, c.taps = {3, 2, 3}; });
  add([](Case& c) { c.batch = 1, c.in = 1, c.out = 1; });
  return all;
}

TEST(LibraryConvolution, AllKindsAndLayoutsInPreferredFormats) {
  for (const ConvolveKind kind :
       {ConvolveKind::Forward, ConvolveKind::GradInput, ConvolveKind::GradWeight}) {
    int number = 0;
    for (Case c : cases()) {
      for (const bool transposed : {false, true}) {
        for (const bool channels_last : {false, true}) {
          c.transposed = transposed;
          c.channels_last = channels_last;
          EXPECT_TRUE(agrees(c, kind, ConvolutionFormats::Preferred, false))
              << "case " << number << " kind " << static_cast<int>(kind) << transposed
              << channels_last;
        }
      }
      ++number;
    }
  }
}

TEST(LibraryConvolution, OtherFormatsAgreeOrDecline) {
  for (const auto formats : {ConvolutionFormats::AsGiven, ConvolutionFormats::ChannelsLast}) {
    for (const ConvolveKind kind :
         {ConvolveKind::Forward, ConvolveKind::GradInput, ConvolveKind::GradWeight}) {
      for (Case c : cases()) {
        c.channels_last = formats == ConvolutionFormats::AsGiven;
        EXPECT_TRUE(agrees(c, kind, formats, true));
      }
    }
  }
  // Channels last is in place.
  Case c;
  c.channels_last = true;
  EXPECT_TRUE(agrees(c, ConvolveKind::Forward, ConvolutionFormats::AsGiven, false));
}

TEST(LibraryConvolution, NarrowTypes) {
  for (const DType dtype : {DType::BFloat16, DType::Float16}) {
    if (dtype == DType::BFloat16 && !testing::has_bfloat16()) continue;
    for (const ConvolveKind kind :
         {ConvolveKind::Forward, ConvolveKind::GradInput, ConvolveKind::GradWeight}) {
      Case c;
      c.dtype = dtype;
      EXPECT_TRUE(agrees(c, kind, ConvolutionFormats::Preferred, false)) << name_of(dtype);
    }
  }
}

TEST(LibraryConvolution, PackedWeights) {
  for (const ConvolveKind kind : {ConvolveKind::Forward, ConvolveKind::GradInput}) {
    int declined = 0;
    for (Case c : cases()) {
      c.packed_weight = true;
      for (const DType dtype : {DType::Float32, DType::BFloat16}) {
        if (dtype == DType::BFloat16 && !testing::has_bfloat16()) continue;
        c.dtype = dtype;
        for (const bool transposed : {false, true}) {
          c.transposed = transposed;
          for (const auto formats :
               {ConvolutionFormats::Preferred, ConvolutionFormats::ChannelsLast}) {
            c.channels_last = formats == ConvolutionFormats::ChannelsLast;
            EXPECT_TRUE(agrees(c, kind, formats, true));
            ConvolutionProblem problem = problem_of(graph_of(c, kind).nodes[0], {});
            problem.packed_weight = true;
            if (!make_convolution(problem, formats).convolution) ++declined;
          }
        }
      }
    }
    EXPECT_LT(declined, 24) << "of 80";
  }
}

TEST(LibraryConvolution, DeclinesWithAReason) {
  Case c;
  c.dtype = DType::Float64;
  EXPECT_NE(make_convolution(problem_of(graph_of(c, ConvolveKind::Forward).nodes[0], {}),
                             ConvolutionFormats::Preferred)
                .reason.find("f64"),
            std::string::npos);
  ConvolutionProblem weight = problem_of(graph_of(Case{}, ConvolveKind::GradWeight).nodes[0], {});
  weight.packed_weight = true;
  EXPECT_NE(make_convolution(weight, ConvolutionFormats::Preferred).reason.find("computes"),
            std::string::npos);
  ConvolutionProblem problem = problem_of(graph_of(Case{}, ConvolveKind::GradInput).nodes[0], {});
  problem.operands[0].strides.assign(4, 0);  // an expanded gradient
  EXPECT_NE(make_convolution(problem, ConvolutionFormats::Preferred).reason.find("repeats"),
            std::string::npos);
}

}  // namespace
}  // namespace trireme::compile
