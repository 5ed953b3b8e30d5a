// SPDX-License-Identifier: Apache-2.0
// Copies and conversions: one Map each.
#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

template <size_t kSource>
void copy_row(Lowering& lowering) {
  const Tensor& source = lowering.tensor(kSource);
  const Tensor& target = lowering.output(0);
  if (same_elements(source, target)) return;
  copy(lowering, source, target);
}

void conj_row(Lowering& lowering) {
  const Tensor& target = lowering.output(0);
  Loop loop(lowering, target.sizes);
  const Scalar value = loop.load(lowering.tensor(0));
  loop.store(target, is_complex(value.dtype()) ? apply(ScalarOp::Conj, value) : value);
  loop.map();
}

void neg_row(Lowering& lowering) {
  const Tensor& target = lowering.output(0);
  Loop loop(lowering, target.sizes);
  loop.store(target, -loop.load(lowering.tensor(0)));
  loop.map();
}

void real_pairs_row(Lowering& lowering) {
  copy(lowering, as_real(lowering.plain(lowering.tensor(0))), lowering.output(0));
}

void complex_of_pairs_row(Lowering& lowering) {
  const Tensor& pairs = lowering.tensor(0);
  require(is_floating(pairs.dtype) && compute_type(pairs.dtype) == pairs.dtype,
          "complex numbers of half precision");
  const Tensor& target = lowering.output(0);
  Loop loop(lowering, target.sizes);
  const Scalar real = loop.load(select(pairs, pairs.rank() - 1, 0));
  const Scalar imag = loop.load(select(pairs, pairs.rank() - 1, 1));
  loop.store(target, apply(ScalarOp::Complex, real, imag));
  loop.map();
}

}  // namespace

void add_copy_rows(OpTable& table) {
  table.add({"copy_", "copy", "copy.out"}, copy_row<1>);
  table.add({"clone", "clone.out", "contiguous", "_to_copy", "_to_copy.out", "_copy_from",
             "_copy_from.out", "lift", "lift.out", "lift_fresh_copy", "lift_fresh_copy.out",
             "alias_copy", "alias_copy.out", "detach_copy", "detach_copy.out"},
            copy_row<0>);
  table.add({"_conj_physical", "_conj_physical.out", "conj_physical", "conj_physical.out",
             "conj_physical_", "_conj_copy", "_conj_copy.out"},
            conj_row);
  table.add({"_neg_view_copy", "_neg_view_copy.out"}, neg_row);
  table.add({"view_as_real_copy", "view_as_real_copy.out"}, real_pairs_row);
  table.add({"view_as_complex_copy", "view_as_complex_copy.out"}, complex_of_pairs_row);
}

}  // namespace trireme::graph
