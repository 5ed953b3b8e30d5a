// SPDX-License-Identifier: Apache-2.0
// Padding by a constant, by reflection, by replication.
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// Paddings come in pairs, the last dimension's first; negative ones cut.
void constant_pad_row(Lowering& lowering) {
  const std::vector<int64_t> pad = lowering.integers(1);
  Tensor source = lowering.tensor(0);
  Tensor target = lowering.output(0);
  require(pad.size() % 2 == 0 && pad.size() / 2 <= source.rank(), "paddings of other dimensions");
  bool grows = false;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const size_t dim = source.rank() - 1 - i;
    const int64_t before = pad[2 * i];
    const int64_t after = pad[2 * i + 1];
    grows = grows || before > 0 || after > 0;
    source = narrow(source, dim, before < 0 ? -before : 0,
                    source.sizes[dim] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0));
    target = narrow(target, dim, std::max<int64_t>(before, 0), source.sizes[dim]);
  }
  bool cut_away = false;  // all of it
  for (const Extent& size : source.sizes) cut_away = cut_away || size.constant().value_or(1) <= 0;
  if (grows || cut_away) {
    if (lowering.given(2)) {
      fill(lowering, lowering.output(0), lowering.number(2));
    } else {
      fill(lowering, lowering.output(0), 0);
    }
  }
  if (cut_away) return;
  copy(lowering, source, target);
}

enum class Border : uint8_t { Reflection, Replication };

// Of each position of the padded dimension, where its value lies in the other.
Tensor source_positions(Lowering& lowering, Border border, const Extent& padded, int64_t before,
                        const Extent& size) {
  const auto known = size.constant();
  if (!known) decline("padding of a size that varies");
  Tensor positions = lowering.temporary(DType::Int64, {padded});
  Loop loop(lowering, {padded});
  const auto last = static_cast<double>(*known - 1);
  Scalar position = loop.index(0) - static_cast<double>(before);
  if (border == Border::Replication) {
    position = minimum(maximum(position, position.constant(0)), position.constant(last));
  } else {  // mirrored at both ends: |p| and, beyond the last, 2 * last - p
    position = abs(position);
    position = last - abs(last - position);
  }
  loop.store(positions, position);
  loop.map();
  return positions;
}

// The view of the unpadded tensor over the padded one's sizes, and its indices.
struct Padded {
  Tensor view;
  std::vector<Indexed> indexed;
};

Padded padded_view(Lowering& lowering, Border border, const Tensor& unpadded, const Tensor& padded,
                   const std::vector<int64_t>& pad) {
  require(pad.size() % 2 == 0 && pad.size() / 2 < unpadded.rank() + 1 &&
              padded.rank() == unpadded.rank(),
          "paddings of other dimensions");
  Padded result{.view = unpadded, .indexed = {}};
  result.view.sizes = padded.sizes;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const size_t dim = unpadded.rank() - 1 - i;
    const Tensor positions =
        source_positions(lowering, border, padded.sizes[dim], pad[2 * i], unpadded.sizes[dim]);
    const std::array<size_t, 1> at = {dim};
    result.view.strides[dim] = 0;
    result.indexed.push_back({.index = placed(positions, padded.sizes, at),
                              .stride = unpadded.strides[dim],
                              .bound = unpadded.sizes[dim]});
  }
  return result;
}

void pad(Lowering& lowering, Border border) {
  const Tensor self = lowering.plain(lowering.tensor(0));
  const Tensor& output = lowering.output(0);
  const Padded padded = padded_view(lowering, border, self, output, lowering.integers(1));
  gather(lowering, padded.view, padded.indexed, output);
}

void pad_backward(Lowering& lowering, Border border) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& output = lowering.output(0);
  // Sums are kept in the compute type.
  const Tensor made = writable(lowering, output, compute_type(output.dtype));
  fill(lowering, made, 0);
  const Padded padded = padded_view(lowering, border, made, grad, lowering.integers(2));
  scatter(lowering, ScatterOp::Add, padded.view, grad, padded.indexed);
  finish(lowering, made, output);
}

void reflection_row(Lowering& lowering) { pad(lowering, Border::Reflection); }
void replication_row(Lowering& lowering) { pad(lowering, Border::Replication); }
void reflection_backward_row(Lowering& lowering) { pad_backward(lowering, Border::Reflection); }
void replication_backward_row(Lowering& lowering) { pad_backward(lowering, Border::Replication); }

}  // namespace

void add_pad_rows(OpTable& table) {
  table.add({"constant_pad_nd", "constant_pad_nd.out"}, constant_pad_row);
  table.add({"reflection_pad1d", "reflection_pad1d.out", "reflection_pad2d", "reflection_pad2d.out",
             "reflection_pad3d", "reflection_pad3d.out"},
            reflection_row);
  table.add({"replication_pad1d", "replication_pad1d.out", "replication_pad2d",
             "replication_pad2d.out", "replication_pad3d", "replication_pad3d.out"},
            replication_row);
  table.add({"reflection_pad1d_backward", "reflection_pad1d_backward.grad_input",
             "reflection_pad2d_backward", "reflection_pad2d_backward.grad_input",
             "reflection_pad3d_backward", "reflection_pad3d_backward.grad_input"},
            reflection_backward_row);
  table.add({"replication_pad1d_backward", "replication_pad1d_backward.grad_input",
             "replication_pad2d_backward", "replication_pad2d_backward.grad_input",
             "replication_pad3d_backward", "replication_pad3d_backward.grad_input"},
            replication_backward_row);
}

}  // namespace trireme::graph
