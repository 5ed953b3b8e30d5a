// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/lower/lower_random.h"

#include <utility>

#include "trireme/compile/lower/loop_nest.h"

namespace trireme::compile {
namespace {

// The register of a parameter: a number of the graph, or a constant.
Compute parameter_of(const graph::NumberRef& number, RegisterId to) {
  Compute compute;
  compute.to = to;
  compute.dtype = DType::Float64;
  compute.op = number.input ? ScalarOp::Number : ScalarOp::Constant;
  compute.index = number.input.value_or(0);
  compute.value = number.constant;
  return compute;
}

}  // namespace

Lowered lower_random(const graph::Graph& graph, const graph::Node& node, std::string name) {
  const auto& random = *node.as<graph::Random>();
  const graph::Result& result = node.results.at(0);
  if (graph::is_complex(result.dtype)) return {{}, "kernels have no complex numbers"};
  Kernel kernel;
  kernel.name = std::move(name);
  kernel.numbers = graph.numbers;
  kernel.randoms = graph.randoms;
  kernel.symbols = graph.symbols;
  kernel.buffers = {{result.dtype, true}};
  const graph::View positions = graph::View::row_major(node.dims);
  const NestView views[] = {{result.view.strides}, {positions.strides}};
  const std::vector<NestLoop> nest =
      make_nest(node.dims, static_cast<uint32_t>(node.dims.size()), views, false);
  Index at[2] = {{result.view.offset}, {}};
  for (size_t loop = 0; loop < nest.size(); ++loop) {
    for (size_t view = 0; view < 2; ++view) {
      const Extent& stride = nest[loop].strides[view];
      if (!stride.is(0)) at[view].loops.push_back({static_cast<LoopId>(loop), stride});
    }
  }
  std::vector<Statement> body;
  Draw draw;
  draw.distribution = random.distribution;
  draw.dtype = result.dtype;
  draw.random = random.state;
  for (size_t i = 0; i < parameter_count(random.distribution); ++i) {
    draw.parameters[i] = kernel.registers++;
    body.push_back({parameter_of(random.parameters.at(i), draw.parameters[i])});
  }
  draw.position = kernel.registers++;
  body.push_back({Affine{draw.position, at[1]}});
  draw.to = kernel.registers++;
  body.push_back({draw});
  body.push_back({Store{draw.to, {Place::Kind::Buffer, 0, at[0]}, {}}});
  for (size_t loop = nest.size(); loop-- > 0;) {
    Loop around{static_cast<LoopId>(loop), nest[loop].size,
                nest[loop].vector ? LoopKind::Vector : LoopKind::Serial, std::move(body)};
    body.clear();
    body.push_back({std::move(around)});
  }
  kernel.loops = static_cast<uint32_t>(nest.size());
  kernel.body.push_back(std::move(std::get<Loop>(body[0].is)));
  return {std::move(kernel), {}};
}

}  // namespace trireme::compile
