// SPDX-License-Identifier: Apache-2.0
// The attention kernels of each instruction set that this CPU has, against the interpreter.
#include <gtest/gtest.h>

#include <vector>

#include "attend_support.h"
#include "trireme/compile/attend/attend.h"

namespace trireme::compile::testing {
namespace {

using graph::DType;

AttendTensor tensor(std::byte* data, DType dtype, const graph::View& view) {
  AttendTensor made{
      data + view.offset.evaluate({}) * static_cast<int64_t>(graph::size_of(dtype)), dtype, {}};
  for (size_t i = 0; i < view.rank(); ++i) made.strides.at(i) = view.strides[i].evaluate({});
  return made;
}

// What both nodes of a case's graph leave, by these kernels; backward in `parts`.
std::vector<graph::Buffer> run(const AttendKernels& kernels, const AttendCase& one, Case& made,
                               bool few, int64_t parts) {
  std::vector<graph::Buffer> outputs;
  for (const graph::Output& output : made.graph.outputs) {
    const graph::Value& value = made.graph.values[output.value];
    outputs.emplace_back(static_cast<size_t>(value.count.evaluate({})) *
                         graph::size_of(value.dtype));
  }
  const graph::Node& forward = made.graph.nodes[0];
  const graph::Node& backward = made.graph.nodes[1];
  const auto operand = [&](const graph::Node& node, size_t i) {
    return tensor(made.memory[node.operands[i].value].data(), node.operands[i].dtype,
                  node.operands[i].view);
  };
  const auto result = [&](const graph::Node& node, size_t i, size_t output) {
    return tensor(outputs[output].bytes().data(), node.results[i].dtype, node.results[i].view);
  };
  AttendProblem p;
  const auto [b, h, g, l, s, d, e] = one.sizes;
  p.batch = b;
  p.heads = h;
  p.groups = g;
  p.rows = l;
  p.columns = s;
  p.depth = d;
  p.width = e;
  p.causal = one.causal;
  p.masked = one.mask != MaskKind::None;
  p.scale = 0.25F;
  p.query = operand(forward, 0);
  p.key = operand(forward, 1);
  p.value = operand(forward, 2);
  if (p.masked) p.mask = operand(forward, 3);
  p.out = result(forward, 0, 0);
  p.logarithm = result(forward, 1, 1);
  std::vector<float> scratch(attend_scratch(p) + 16);
  for (int64_t i = 0; i < b * (few ? g : h); ++i) {
    if (few) {
      kernels.few_rows(p, i / g, i % g, scratch.data());
      continue;
    }
    for (int64_t tile = 0; tile < attend_tiles(l); ++tile) {
      kernels.forward(p, i / h, i % h, tile, scratch.data());
    }
  }
  p.backward = true;
  p.grad_out = operand(backward, 0);
  p.grad_query = result(backward, 0, 2);
  p.grad_key = result(backward, 1, 3);
  p.grad_value = result(backward, 2, 4);
  scratch.resize(attend_scratch(p) + 16);
  std::vector<float> sums(attend_sums(p) * static_cast<size_t>(parts));
  for (int64_t i = 0; i < b * g; ++i) {
    for (int64_t part = 0; part < parts; ++part) {
      kernels.backward(p, i / g, i % g, part, parts,
                       sums.data() + static_cast<size_t>(part) * attend_sums(p), scratch.data());
    }
    kernels.finish(p, i / g, i % g, parts, sums.data());
  }
  return outputs;
}

void expect_right(const AttendKernels& kernels, const AttendCase& one, bool few, int64_t parts) {
  Case made = make_case(one);
  expect_near(one, graph::interpret(made.graph, made.inputs, nullptr),
              run(kernels, one, made, few, parts));
}

class AttendKernelsTest : public ::testing::TestWithParam<AttendIsa> {};

TEST_P(AttendKernelsTest, AreTheInterpreters) {
  const AttendKernels* kernels = attend_kernels_for(GetParam());
  if (kernels == nullptr) GTEST_SKIP() << "this CPU has not got it";
  uint64_t seed = 1;
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float16}) {
    for (const Layout layout : {Layout::HeadsInTheMiddle, Layout::Apart, Layout::Turned}) {
      for (const MaskKind mask :
           {MaskKind::None, MaskKind::Parts, MaskKind::PartsOfBatch, MaskKind::Numbers}) {
        AttendCase one{.sizes = {1, 4, 2, 81, 75, 20, 35},
                       .dtype = dtype,
                       .layout = layout,
                       .mask = mask,
                       .causal = seed % 2 == 0,
                       .backward = true,
                       .seed = seed++};
        expect_right(*kernels, one, /*few=*/false, 1);
        expect_right(*kernels, one, /*few=*/false, 3);
        one.sizes = {1, 4, 2, 3, 150, 64, 20};
        expect_right(*kernels, one, /*few=*/true, 2);
      }
    }
  }
}

// Largest and smallest numbers, infinities and NaN, through q k^T with one key: out is v.
TEST_P(AttendKernelsTest, FewBitsAreConvertedExactly) {
  const AttendKernels* kernels = attend_kernels_for(GetParam());
  if (kernels == nullptr) GTEST_SKIP() << "this CPU has not got it";
  for (const DType dtype : {DType::BFloat16, DType::Float16}) {
    constexpr int64_t kAll = 65536;
    std::vector<uint16_t> value(kAll);
    std::vector<uint16_t> out(kAll);
    for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<uint16_t>(i);
    std::vector<uint16_t> zeros(1);
    float logarithm = 0;
    AttendProblem p;
    p.batch = p.heads = p.groups = p.rows = p.columns = p.depth = 1;
    p.width = kAll;
    const auto at = [&](auto* data) {
      return AttendTensor{reinterpret_cast<std::byte*>(data), dtype, {0, 0, 0, 1}};
    };
    p.query = at(zeros.data());
    p.key = at(zeros.data());
    p.value = at(value.data());
    p.out = at(out.data());
    p.logarithm = at(&logarithm);
    std::vector<float> scratch(attend_scratch(p));
    for (const bool few : {false, true}) {
      (few ? kernels->few_rows(p, 0, 0, scratch.data())
           : kernels->forward(p, 0, 0, 0, scratch.data()));
      const uint16_t exponent = dtype == DType::Float16 ? 0x7c00 : 0x7f80;
      for (size_t i = 0; i < value.size(); ++i) {
        const bool nan = (value[i] & 0x7fff) > exponent;
        if (nan) {
          ASSERT_GT(out[i] & 0x7fff, exponent) << i;
        } else if ((value[i] & 0x7fff) != 0) {  // the sign of zero is lost in a sum
          ASSERT_EQ(out[i], value[i]);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, AttendKernelsTest,
                         ::testing::Values(AttendIsa::Baseline, AttendIsa::Avx2,
                                           AttendIsa::Avx512));

}  // namespace
}  // namespace trireme::compile::testing
