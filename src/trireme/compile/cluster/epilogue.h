// SPDX-License-Identifier: Apache-2.0
// What follows a convolution or a product and can be computed where its results are made: scales
// and shifts per channel (a bias, a batch norm by running statistics), another tensor added, an
// activation.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

enum class EpilogueKind : uint8_t { Multiply, Add, Subtract, Relu, Silu, Sigmoid, Tanh, GeluErf };

struct EpilogueOp {
  EpilogueKind kind = EpilogueKind::Relu;
  // Of Multiply, Add and Subtract: the other term, in the Map's expression.
  graph::ExprId other = 0;
  bool per_channel = false;  // it depends on the channel only; else it is an operand of all points

  // Whether a library's post-op of it reads another tensor; none subtracts.
  bool has_other() const { return kind == EpilogueKind::Multiply || kind == EpilogueKind::Add; }
};

// The view with stride 0 along dimensions of one point, as along_results has it.
graph::View without_ones(graph::View view);

// Views of a Map's operands along the dimensions of the convolution's or product's results
// (strides; 0 along those of one point). None: a dimension of the Map is not one, or several, of
// them.
std::optional<graph::Extents> along_results(const graph::Node& convolve, const graph::Node& map,
                                            const graph::View& view);

// What the Map does to the value `made`, which `convolve` makes or a Map like this one makes of
// that, in order. None: something else than the above. Of f32, one result, without a base.
std::optional<std::vector<EpilogueOp>> read_epilogue(const graph::Node& convolve,
                                                     graph::ValueId made, const graph::Node& map);

// As read_epilogue of the convolution's own result, where all other terms are operands and nothing
// has to be computed for them: what a library takes.
//
// `made` may be a Contract that sums in f32, too. Then terms may be operands of bf16 and f16, and
// the Map's result may be of these; what is per channel moves along dimensions of one operand of
// the Contract.
std::optional<std::vector<EpilogueOp>> library_epilogue(const graph::Node& made,
                                                        const graph::Node& map);

// The operand of the Map that such an operation reads. It has one.
const graph::Operand& other_of(const graph::Node& map, const EpilogueOp& op);

}  // namespace trireme::compile
