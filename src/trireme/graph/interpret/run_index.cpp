// SPDX-License-Identifier: Apache-2.0
// Gather and scatter.
#include <algorithm>
#include <cstring>
#include <string>

#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

// Adds what the indices move each point of the block by.
void add_indices(const NodeRun& run, const std::vector<IndexedDim>& indexed, const Points& points,
                 std::vector<int64_t>& elements) {
  std::vector<int64_t> at;
  for (size_t k = 0; k < indexed.size(); ++k) {
    const Reader& indices = run.operands[k + 1];
    const int64_t stride = indexed[k].stride.evaluate(run.inputs.symbols);
    const int64_t bound = indexed[k].bound.evaluate(run.inputs.symbols);
    points.locate(indices.layout, at);
    for (size_t i = 0; i < at.size(); ++i) {
      int64_t index = read_integer(indices.dtype, indices.at(at[i]));
      if (index < (indexed[k].wraps ? -bound : 0) || index >= bound) {
        throw NodeError(run.number, "index " + std::to_string(index) +
                                        " is out of bounds for dimension with size " +
                                        std::to_string(bound));
      }
      if (index < 0) index += bound;
      elements[i] += index * stride;
    }
  }
}

void combine(ScatterOp op, const Writer& to, int64_t element, const Reader& from, int64_t update) {
  std::byte* target = to.at(element);
  const std::byte* source = from.at(update);
  if (op == ScatterOp::Set) {
    std::memcpy(target, source, static_cast<size_t>(to.size));
    return;
  }
  const ScalarOp with = op == ScatterOp::Add       ? ScalarOp::Add
                        : op == ScatterOp::Product ? ScalarOp::Mul
                        : op == ScatterOp::Maximum ? ScalarOp::Maximum
                                                   : ScalarOp::Minimum;
  const DType dtype = to.dtype;
  if (is_complex(dtype)) {
    write_complex(
        dtype, target,
        apply_complex(with, dtype, read_complex(dtype, target), read_complex(dtype, source)));
  } else if (is_integral(dtype)) {
    write_integer(
        dtype, target,
        apply_integer(with, dtype, read_integer(dtype, target), read_integer(dtype, source)));
  } else {
    write_real(dtype, target,
               apply_real(with, dtype, read_real(dtype, target), read_real(dtype, source)));
  }
}

}  // namespace

void run_gather(NodeRun& run, const Gather& gather) {
  Points points(run.dims);
  const Reader& from = run.operands[0];
  const Writer& to = run.results[0];
  std::vector<int64_t> source;
  std::vector<int64_t> target;
  for (int64_t first = 0; first < points.count(); first += Points::kBlock) {
    points.move_to(first, std::min(Points::kBlock, points.count() - first));
    points.locate(from.layout, source);
    add_indices(run, gather.indexed, points, source);
    points.locate(to.layout, target);
    for (size_t i = 0; i < source.size(); ++i) {
      std::memcpy(to.at(target[i]), from.at(source[i]), static_cast<size_t>(to.size));
    }
  }
}

void run_scatter(NodeRun& run, const Scatter& scatter) {
  Points points(run.dims);
  const Reader& from = run.operands[0];
  const Writer& to = run.results[0];
  std::vector<int64_t> source;
  std::vector<int64_t> target;
  for (int64_t first = 0; first < points.count(); first += Points::kBlock) {
    points.move_to(first, std::min(Points::kBlock, points.count() - first));
    points.locate(from.layout, source);
    points.locate(to.layout, target);
    add_indices(run, scatter.indexed, points, target);
    for (size_t i = 0; i < source.size(); ++i) {
      combine(scatter.op, to, target[i], from, source[i]);
    }
  }
}

}  // namespace trireme::graph
