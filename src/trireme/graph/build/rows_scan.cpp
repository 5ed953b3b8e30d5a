// SPDX-License-Identifier: Apache-2.0
// Cumulative reductions.
#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"

namespace trireme::graph {
namespace {

// Scans `source`, brought to `compute`, into the targets.
void scan(Lowering& lowering, ScanOp op, const Tensor& source, DType compute, int64_t dim,
          std::vector<Tensor> targets) {
  const bool ready = source.dtype == compute && !source.conj && !source.neg && !source.host;
  const Tensor from = ready ? source : lowering.materialise(source, compute);
  std::vector<Tensor> results = targets;
  if (targets[0].dtype != compute) results[0] = lowering.temporary(compute, source.sizes);
  const auto along = static_cast<uint32_t>(wrap_dim(dim, source.rank()));
  if (source.rank() == 0) {
    copy(lowering, from, targets[0]);
    if (targets.size() > 1) fill(lowering, targets[1], 0);
    return;
  }
  lowering.append(Scan{op, along}, source.sizes, source.rank(), {lowering.read(from)}, results);
  if (targets[0].dtype != compute) copy(lowering, results[0], targets[0]);
}

// (self, dim, dtype?)
template <ScanOp op>
void cumulative(Lowering& lowering) {
  Tensor source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  // ATen casts to the result's type first.
  if (compute_type(target.dtype) != target.dtype && source.dtype != target.dtype) {
    source = lowering.materialise(source, target.dtype);
  }
  scan(lowering, op, source, compute_type(target.dtype), lowering.integer(1), {target});
}

// (self, values, indices, dim)
template <ScanOp op>
void with_positions(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& indices = lowering.tensor(2);
  require(indices.dtype == DType::Int64, "positions that are not i64");
  scan(lowering, op, source, source.dtype, lowering.integer(3), {lowering.tensor(1), indices});
}

}  // namespace

void add_scan_rows(OpTable& table) {
  table.add({"cumsum", "cumsum.out", "cumsum_"}, cumulative<ScanOp::Sum>);
  table.add({"cumprod", "cumprod.out", "cumprod_"}, cumulative<ScanOp::Product>);
  table.add({"_logcumsumexp", "_logcumsumexp.out"}, cumulative<ScanOp::LogSumExp>);
  table.add({"_cummax_helper"}, with_positions<ScanOp::Maximum>);
  table.add({"_cummin_helper"}, with_positions<ScanOp::Minimum>);
}

}  // namespace trireme::graph
