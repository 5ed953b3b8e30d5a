// SPDX-License-Identifier: Apache-2.0
// sort, argsort, topk.
#include <array>
#include <optional>
#include <utility>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// Sorts `self` into the values (none: they are dropped) and indices.
void sort_into(Lowering& lowering, const Tensor& self, Sort sort, const Tensor* values,
               const Tensor& indices) {
  require(!is_complex(self.dtype), "complex numbers in order");
  // Equal elements are usual in the small dtypes, and ATen's unstable kernels order them their way.
  require(sort.stable || self.dtype == DType::Float32 || self.dtype == DType::Float64,
          "an unstable order of a dtype in which equal elements are usual");
  require(indices.dtype == DType::Int64, "indices that are not int64");
  const Tensor source = with_dimension(lowering.plain(self));
  const Tensor made_values = values == nullptr ? lowering.temporary(self.dtype, indices.sizes)
                                               : writable(lowering, *values, self.dtype);
  const std::array<Tensor, 2> targets = {with_dimension(made_values), with_dimension(indices)};
  lowering.append(std::move(sort), source.sizes, source.rank(), {lowering.read(source)}, targets);
  if (values != nullptr) finish(lowering, made_values, *values);
}

Sort sort_along(Lowering& lowering, size_t dim, size_t descending, bool stable) {
  return {.dim = static_cast<uint32_t>(wrap_dim(lowering.integer(dim), lowering.tensor(0).rank())),
          .descending = lowering.flag(descending),
          .stable = stable,
          .take = std::nullopt};
}

bool asked_stable(Lowering& lowering) { return lowering.given(1) && lowering.flag(1); }

void sort_row(Lowering& lowering) {
  sort_into(lowering, lowering.tensor(0), sort_along(lowering, 1, 2, false), &lowering.output(0),
            lowering.output(1));
}

void sort_stable_row(Lowering& lowering) {
  sort_into(lowering, lowering.tensor(0), sort_along(lowering, 2, 3, asked_stable(lowering)),
            &lowering.output(0), lowering.output(1));
}

void argsort_row(Lowering& lowering) {
  sort_into(lowering, lowering.tensor(0), sort_along(lowering, 1, 2, false), nullptr,
            lowering.output(0));
}

void argsort_stable_row(Lowering& lowering) {
  sort_into(lowering, lowering.tensor(0), sort_along(lowering, 2, 3, asked_stable(lowering)),
            nullptr, lowering.output(0));
}

// Sorted whether or not it is asked for: an order of the program's choice is one, too.
void topk_row(Lowering& lowering) {
  const Tensor& self = lowering.tensor(0);
  sort_into(lowering, self,
            {.dim = static_cast<uint32_t>(wrap_dim(lowering.integer(2), self.rank())),
             .descending = lowering.flag(3),
             .stable = false,
             .take = lowering.extent(1)},
            &lowering.output(0), lowering.output(1));
}

}  // namespace

void add_sort_rows(OpTable& table) {
  table.add({"sort", "sort.values"}, sort_row);
  table.add({"sort.stable", "sort.values_stable"}, sort_stable_row);
  table.add({"argsort"}, argsort_row);
  table.add({"argsort.stable", "argsort.stable_out"}, argsort_stable_row);
  table.add({"topk", "topk.values"}, topk_row);
}

}  // namespace trireme::graph
