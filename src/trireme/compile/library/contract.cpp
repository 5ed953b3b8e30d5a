// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/contract.h"

#include <algorithm>
#include <utility>

namespace trireme::compile {
namespace {

struct Dim {
  int64_t size = 1;
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;
  std::vector<int64_t> others{};
};
using Dims = std::vector<Dim>;

struct Classes {
  Dims batch;
  Dims m;
  Dims n;
  Dims k;
};

int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

// Why there is no product; else sorts the dimensions into classes.
std::string classify(const ContractShape& shape, Classes& classes) {
  for (size_t i = 0; i < shape.dims.size(); ++i) {
    if (shape.dims[i] == 0) return "a size is zero";
    if (shape.dims[i] == 1) continue;
    Dim dim{shape.dims[i], shape.operands[0].strides[i], shape.operands[1].strides[i]};
    const bool both = dim.a != 0 && dim.b != 0;
    if (i >= shape.parallel) {
      if (!both) return "one operand is summed along a dimension that the other has not";
      classes.k.push_back(dim);
      continue;
    }
    dim.c = shape.result.strides[i];
    for (const auto& other : shape.others) dim.others.push_back(other.strides[i]);
    if (dim.a == 0 && dim.b == 0) return "the result repeats along a dimension of no operand";
    if (dim.c == 0) return "the result has one element for several points";
    (both ? classes.batch : dim.a != 0 ? classes.m : classes.n).push_back(dim);
  }
  return {};
}

// Whether everything moves by `outer` as by a whole `inner`.
bool walks_on(const Dim& outer, const Dim& inner) {
  for (size_t i = 0; i < inner.others.size(); ++i) {
    if (outer.others[i] != inner.others[i] * inner.size) return false;
  }
  return outer.a == inner.a * inner.size && outer.b == inner.b * inner.size &&
         outer.c == inner.c * inner.size;
}

// Merges dimensions that are walked as one. `by` gives the order: outer dimensions first.
template <class By>
void merge(Dims& dims, By by) {
  std::ranges::stable_sort(
      dims, [&](const Dim& x, const Dim& y) { return magnitude(by(x)) > magnitude(by(y)); });
  Dims merged;
  for (const Dim& inner : dims) {
    if (!merged.empty()) {
      Dim& outer = merged.back();
      if (walks_on(outer, inner)) {
        const int64_t size = outer.size * inner.size;
        outer = inner;
        outer.size = size;
        continue;
      }
    }
    merged.push_back(inner);
  }
  dims = std::move(merged);
}

// Takes the dimension that is best as the matrix's own, leaving the others to the batch: one that
// is dense in the result or the operand keeps kernels' accesses dense, and a large one keeps them
// busy.
Dim take(Dims& dims, Dims& batch, int64_t Dim::*operand) {
  if (dims.empty()) return {};
  const auto score = [&](const Dim& dim) {
    return static_cast<double>(dim.size) * (dim.c == 1 ? 8 : 1) * (dim.*operand == 1 ? 4 : 1);
  };
  const auto best = std::ranges::max_element(dims, {}, score);
  Dim taken = std::move(*best);
  dims.erase(best);
  batch.insert(batch.end(), dims.begin(), dims.end());
  return taken;
}

// Lays an operand out anew: the dimensions that it has, in this order, dense.
ContractCopy lay_out(Dims& batch, Dim& matrix, Dims& k, int64_t Dim::*stride) {
  ContractCopy copy;
  std::vector<Dim*> dims;
  for (Dim& dim : batch) dims.push_back(&dim);
  dims.push_back(&matrix);
  for (Dim& dim : k) dims.push_back(&dim);
  for (const Dim* dim : dims) {
    if (dim->*stride == 0) continue;
    copy.sizes.push_back(dim->size);
    copy.strides.push_back(dim->*stride);
  }
  int64_t dense = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i]->*stride == 0) continue;
    dims[i]->*stride = dense;
    dense *= dims[i]->size;
  }
  return copy;
}

// Whether K's dimensions, in their order, are one for this operand.
bool joins(const Dims& k, int64_t Dim::*stride) {
  for (size_t i = 1; i < k.size(); ++i) {
    if (k[i - 1].*stride != k[i].*stride * k[i].size) return false;
  }
  return true;
}

}  // namespace

ContractShape shape_of(const graph::Node& node, std::span<const int64_t> symbols) {
  ContractShape shape;
  const auto evaluate = [symbols](const graph::Extents& extents) {
    std::vector<int64_t> values;
    values.reserve(extents.size());
    for (const graph::Extent& extent : extents) values.push_back(extent.evaluate(symbols));
    return values;
  };
  shape.dims = evaluate(node.dims);
  shape.parallel = node.parallel;
  for (size_t i = 0; i < 2; ++i) {
    const graph::Operand& operand = node.operands[i];
    shape.operands[i] = {operand.dtype, evaluate(operand.view.strides),
                         operand.view.offset.evaluate(symbols)};
  }
  const graph::Result& result = node.results[0];
  shape.result = {result.dtype, evaluate(result.view.strides),
                  result.view.offset.evaluate(symbols)};
  return shape;
}

ContractResult contract_to_gemm(const ContractShape& shape) {
  Classes classes;
  if (std::string reason = classify(shape, classes); !reason.empty()) return {{}, reason};
  merge(classes.m, [](const Dim& dim) { return dim.c; });
  merge(classes.n, [](const Dim& dim) { return dim.c; });
  merge(classes.k, [](const Dim& dim) { return dim.a; });
  Dims batch = classes.batch;
  Dim m = take(classes.m, batch, &Dim::a);
  Dim n = take(classes.n, batch, &Dim::b);
  merge(batch, [](const Dim& dim) { return dim.c; });

  ContractGemm gemm;
  gemm.a_offset = shape.operands[0].offset;
  gemm.b_offset = shape.operands[1].offset;
  gemm.c_offset = shape.result.offset;
  Dims& k = classes.k;
  if (k.size() > 1) {
    // One operand may do with the order in which the other's are one; prefer copying the smaller.
    const bool by_a = joins(k, &Dim::a);
    Dims k_of_b = k;
    std::ranges::stable_sort(
        k_of_b, [](const Dim& x, const Dim& y) { return magnitude(x.b) > magnitude(y.b); });
    const bool by_b = joins(k_of_b, &Dim::b);
    const bool keep_b = by_b && (!by_a || n.size > m.size);
    if (keep_b) k = k_of_b;
    if (!joins(k, &Dim::a)) {
      gemm.copy_a = lay_out(batch, m, k, &Dim::a);
      gemm.a_offset = 0;
    }
    if (!joins(k, &Dim::b)) {
      gemm.copy_b = lay_out(batch, n, k, &Dim::b);
      gemm.b_offset = 0;
    }
    Dim joined = k.back();
    for (size_t i = 0; i + 1 < k.size(); ++i) joined.size *= k[i].size;
    k = {joined};
  }
  const Dim sum = k.empty() ? Dim{} : k[0];

  GemmProblem& problem = gemm.problem;
  problem.m = m.size;
  problem.n = n.size;
  problem.k = sum.size;
  problem.a = {shape.operands[0].dtype, m.a, sum.a};
  problem.b = {shape.operands[1].dtype, sum.b, n.b};
  problem.c = {shape.result.dtype, m.c, n.c};
  for (const Dim& dim : batch) {
    problem.batch.push_back(dim.size);
    problem.a.batch_strides.push_back(dim.a);
    problem.b.batch_strides.push_back(dim.b);
    problem.c.batch_strides.push_back(dim.c);
  }
  for (size_t i = 0; i < shape.others.size(); ++i) {
    const auto stride = [&](const Dim& dim) { return dim.others.empty() ? 0 : dim.others[i]; };
    GemmMatrix& other = gemm.others.emplace_back();
    other.dtype = shape.others[i].dtype;
    other.row_stride = stride(m);
    other.column_stride = stride(n);
    for (const Dim& dim : batch) other.batch_strides.push_back(stride(dim));
    gemm.other_offsets.push_back(shape.others[i].offset);
  }
  return {std::move(gemm), {}};
}

}  // namespace trireme::compile
