// SPDX-License-Identifier: Apache-2.0
// Embeddings: rows of a weight by index, and the sum of their gradients.
#include <array>
#include <numeric>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// The weight [rows, width] over the space [indices..., width], and the indices there.
struct Rows {
  Tensor view;
  Indexed indexed;
};

Rows rows_of(Lowering& lowering, const Tensor& weight, const Tensor& indices) {
  require(weight.rank() == 2, "a weight that is no matrix");
  const Tensor index = index_tensor(lowering, indices);
  Extents space = index.sizes;
  space.push_back(weight.sizes[1]);
  const std::array<size_t, 1> last = {index.rank()};
  std::vector<size_t> first(index.rank());
  std::iota(first.begin(), first.end(), 0);
  return {.view = placed(select(weight, 0, 0), space, last),
          .indexed = {.index = placed(index, space, first),
                      .stride = weight.strides[0],
                      .bound = weight.sizes[0]}};
}

void embedding_row(Lowering& lowering) {
  const Tensor weight = lowering.plain(lowering.tensor(0));
  const Rows rows = rows_of(lowering, weight, lowering.tensor(1));
  gather(lowering, rows.view, {rows.indexed}, lowering.output(0));
}

void embedding_dense_backward_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  require(!lowering.flag(4), "gradients scaled by frequency");
  const int64_t padding = lowering.integer(3);
  const Rows rows = rows_of(lowering, output, lowering.tensor(1));
  const Tensor& grad = lowering.tensor(0);
  require(grad.sizes == rows.view.sizes, "gradients that are no rows");
  fill(lowering, output, 0);
  Tensor updates = grad;
  if (padding >= 0) {  // rows of the padding index count nothing
    updates = lowering.temporary(grad.dtype, grad.sizes);
    Loop loop(lowering, grad.sizes);
    const Scalar value = loop.load(grad);
    loop.store(updates,
               select(loop.load(rows.indexed.index, DType::Int64) == static_cast<double>(padding),
                      value.constant(0), value));
    loop.map();
  }
  scatter(lowering, ScatterOp::Add, rows.view, updates, {rows.indexed});
}

}  // namespace

void add_embedding_rows(OpTable& table) {
  table.add({"embedding", "embedding.out"}, embedding_row);
  table.add({"embedding_dense_backward", "embedding_dense_backward.out"},
            embedding_dense_backward_row);
}

}  // namespace trireme::graph
