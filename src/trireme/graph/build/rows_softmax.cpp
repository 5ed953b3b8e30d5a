// SPDX-License-Identifier: Apache-2.0
// softmax, log_softmax and their derivatives.
#include <cstdint>
#include <limits>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/reductions.h"

namespace trireme::graph {
namespace {

// The dimension, as a list: none for a scalar.
std::vector<size_t> along(const Lowering& lowering, size_t arg, const Tensor& tensor) {
  if (tensor.rank() == 0) return {};
  return {wrap_dim(lowering.integer(arg), tensor.rank())};
}

enum class Softmax : uint8_t { Plain, Logarithm, Safe };  // safe: zeros for a row of -inf alone

template <Softmax kind>
void softmax(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  const DType compute = compute_type(promote(source.dtype, target.dtype));
  require(is_floating(compute), "softmax of a dtype that is not floating");
  const auto dims = along(lowering, 1, source);
  const Extents kept = sizes_without(source, dims);
  const Extents reduced = sizes_at(source, dims);
  const Tensor ordered = permute(source, parallel_first(source.rank(), dims));
  const Tensor highest = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept, reduced);
    loop.store(highest, loop.load(ordered, compute));
    loop.reduce(ReduceOp::Maximum);
  }
  const Tensor sum = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept, reduced);
    loop.store(sum, exp(loop.load(ordered, compute) - loop.load(repeated(highest, reduced))));
    loop.reduce(ReduceOp::Sum);
  }
  Loop loop(lowering, source.sizes);
  const Scalar most = loop.load(repeated_at(highest, dims, source.sizes));
  const Scalar shifted = loop.load(source, compute) - most;
  const Scalar total = loop.load(repeated_at(sum, dims, source.sizes));
  if constexpr (kind == Softmax::Logarithm) {
    loop.store(target, shifted - log(total));
  } else if constexpr (kind == Softmax::Safe) {
    const Scalar none = most == -std::numeric_limits<double>::infinity();
    loop.store(target, select(none, most.constant(0), exp(shifted) / total));
  } else {
    loop.store(target, exp(shifted) / total);
  }
  loop.map();
}

// (grad_output, output, dim, input_dtype)
template <bool logarithm>
void softmax_backward(Lowering& lowering) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& output = lowering.tensor(1);
  const DType compute = compute_type(grad.dtype);
  require(is_floating(compute), "softmax of a dtype that is not floating");
  const auto dims = along(lowering, 2, grad);
  const Extents kept = sizes_without(grad, dims);
  const Extents reduced = sizes_at(grad, dims);
  const auto order = parallel_first(grad.rank(), dims);
  const Tensor sum = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept, reduced);
    const Scalar g = loop.load(permute(grad, order), compute);
    loop.store(sum, logarithm ? g : g * loop.load(permute(output, order), compute));
    loop.reduce(ReduceOp::Sum);
  }
  Loop loop(lowering, grad.sizes);
  const Scalar g = loop.load(grad, compute);
  const Scalar o = loop.load(output, compute);
  const Scalar s = loop.load(repeated_at(sum, dims, grad.sizes));
  loop.store(lowering.output(0), logarithm ? g - exp(o) * s : o * (g - s));
  loop.map();
}

}  // namespace

void add_softmax_rows(OpTable& table) {
  table.add({"_softmax", "_softmax.out"}, softmax<Softmax::Plain>);
  table.add({"_log_softmax", "_log_softmax.out"}, softmax<Softmax::Logarithm>);
  table.add({"_safe_softmax"}, softmax<Softmax::Safe>);
  table.add({"_softmax_backward_data", "_softmax_backward_data.out"}, softmax_backward<false>);
  table.add({"_log_softmax_backward_data", "_log_softmax_backward_data.out"},
            softmax_backward<true>);
}

}  // namespace trireme::graph
