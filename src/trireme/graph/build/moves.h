// SPDX-License-Identifier: Apache-2.0
// What rows that move elements share: outputs that start as an argument, gathers, scatters,
// reshapes, fills.
#pragma once

#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/lowering.h"

namespace trireme::graph {

// The output where a node other than a Map can write it as `dtype`, else a temporary that
// `finish` copies to it.
Tensor writable(Lowering& lowering, const Tensor& output, DType dtype);
void finish(Lowering& lowering, const Tensor& made, const Tensor& output);

// The output holds what `self` does: nothing to do where it is self (in place).
void start_from(Lowering& lowering, const Tensor& self, const Tensor& output);

// The number as a tensor of this dtype holds it.
Scalar filling(Loop& loop, const Number& number, DType dtype);
void fill(Lowering& lowering, const Tensor& target, const Number& number);

// The same elements in row-major order under other sizes; a copy only where the layout asks for it.
Tensor reshape(Lowering& lowering, const Tensor& tensor, const Extents& sizes);

// One indexed dimension: indices over the iteration space (views with its sizes).
struct Indexed {
  Tensor index;
  Extent stride;
  Extent bound;
  bool wraps = false;  // negative ones count from the end
};

// A tensor of indices as gathers and scatters take it: int64 or int32, plain. Declines masks.
Tensor index_tensor(Lowering& lowering, const Tensor& index);

// output = source, moved by the indices. `source` is plain and has the output's sizes.
void gather(Lowering& lowering, const Tensor& source, const std::vector<Indexed>& indexed,
            const Tensor& output);
// What the target holds, with `updates` put or combined where the indices say. `target` is a view
// with the sizes of the updates.
void scatter(Lowering& lowering, ScatterOp op, const Tensor& target, const Tensor& updates,
             const std::vector<Indexed>& indexed);

}  // namespace trireme::graph
