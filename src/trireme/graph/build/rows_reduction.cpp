// SPDX-License-Identifier: Apache-2.0
// Reductions over dimensions.
#include <cmath>
#include <limits>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/reductions.h"

namespace trireme::graph {
namespace {

// Reduces `value(loop, ordered source)` over `dims` into the target.
template <class Value>
void reduce_into(Lowering& lowering, ReduceOp op, const Tensor& source, const Tensor& target,
                 std::span<const size_t> dims, Value value) {
  const Tensor ordered = permute(source, parallel_first(source.rank(), dims));
  Loop loop(lowering, sizes_without(source, dims), sizes_at(source, dims));
  loop.store(without_kept(target, dims, source.rank()), value(loop, ordered));
  loop.reduce(op);
}

// What a sum or product of the source is computed in, for this result.
DType sum_type(const Tensor& source, const Tensor& target) {
  if (is_integral(target.dtype)) return DType::Int64;
  const DType both =
      is_complex(source.dtype) && !is_complex(target.dtype) ? source.dtype : target.dtype;
  return compute_type(both);
}

// sum(self, dim, ...), prod, nansum
template <ReduceOp op, size_t dim_arg, bool skip_nan = false>
void total(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  const DType compute = sum_type(source, target);
  const auto dims = reduced_dims(lowering, dim_arg, source.rank());
  reduce_into(lowering, op, source, target, dims, [&](Loop& loop, const Tensor& ordered) {
    // ATen casts to the result's type first.
    Scalar value = cast(cast(loop.load(ordered), target.dtype), compute);
    if (skip_nan && is_floating(compute)) {
      value = select(apply(ScalarOp::IsNan, value), value.constant(0), value);
    }
    return value;
  });
}

constexpr size_t kNoDims = SIZE_MAX;  // the overload reduces all dimensions

template <size_t dim_arg>
void mean(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  const DType compute = sum_type(source, target);
  const auto dims = reduced_dims(lowering, dim_arg, source.rank());
  const Tensor ordered = permute(source, parallel_first(source.rank(), dims));
  const Extents kept = sizes_without(source, dims);
  const Extents reduced = sizes_at(source, dims);
  const Tensor sum = lowering.temporary(compute, kept);
  Loop loop(lowering, kept, reduced);
  loop.store(sum, cast(cast(loop.load(ordered), target.dtype), compute));
  loop.reduce(ReduceOp::Sum);
  Loop divide(lowering, kept);
  divide.store(without_kept(target, dims, source.rank()),
               divide.load(sum) / count_of(divide, reduced, compute));
  divide.map();
}

template <ReduceOp op, size_t dim_arg>
void extreme(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const auto dims = reduced_dims(lowering, dim_arg, source.rank());
  reduce_into(lowering, op, source, lowering.output(0), dims,
              [](Loop& loop, const Tensor& ordered) { return loop.load(ordered); });
}

void aminmax(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const auto dims = reduced_dims(lowering, 1, source.rank());
  const auto load = [](Loop& loop, const Tensor& ordered) { return loop.load(ordered); };
  reduce_into(lowering, ReduceOp::Minimum, source, lowering.output(0), dims, load);
  reduce_into(lowering, ReduceOp::Maximum, source, lowering.output(1), dims, load);
}

// (values, indices)
template <ReduceOp value, ReduceOp position>
void extreme_with_index(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const auto dims = reduced_dims(lowering, 1, source.rank());
  const auto load = [](Loop& loop, const Tensor& ordered) { return loop.load(ordered); };
  reduce_into(lowering, value, source, lowering.output(0), dims, load);
  reduce_into(lowering, position, source, lowering.output(1), dims, load);
}

template <ReduceOp op, size_t dim_arg>
void any_or_all(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  // An empty list of dimensions reduces nothing here.
  require(!lowering.given(dim_arg) || !lowering.integers(dim_arg).empty(), "no dimensions");
  const auto dims = reduced_dims(lowering, dim_arg, source.rank());
  reduce_into(lowering, op, source, lowering.output(0), dims,
              [](Loop& loop, const Tensor& ordered) { return truth(loop.load(ordered)); });
}

void count_nonzero(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const auto dims = reduced_dims(lowering, 1, source.rank());
  reduce_into(lowering, ReduceOp::Sum, source, lowering.output(0), dims,
              [](Loop& loop, const Tensor& ordered) {
                return cast(truth(loop.load(ordered)), DType::Int64);
              });
}

void logsumexp(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  require(is_floating(target.dtype), "a complex logsumexp");
  const DType compute = compute_type(target.dtype);
  const auto dims = reduced_dims(lowering, 1, source.rank());
  reduce_into(lowering, ReduceOp::LogSumExp, source, target, dims,
              [&](Loop& loop, const Tensor& ordered) { return loop.load(ordered, compute); });
}

// var, std; with the mean as second output: var_mean, std_mean
template <bool root, bool with_mean>
void variance(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  require(is_floating(source.dtype), "a complex variance");
  const DType compute = compute_type(source.dtype);
  const auto dims = reduced_dims(lowering, 1, source.rank());
  const Moments found = moments(lowering, source, dims, compute);
  Loop loop(lowering, sizes_without(source, dims));
  const Scalar correction =
      lowering.given(2) ? loop.number(lowering.number(2), compute) : loop.constant(1.0, compute);
  const Scalar freedom = count_of(loop, sizes_at(source, dims), compute) - correction;
  const Scalar result =
      loop.load(found.squares) / select(freedom > 0, freedom, freedom.constant(0));
  loop.store(without_kept(lowering.output(0), dims, source.rank()), root ? sqrt(result) : result);
  loop.map();
  if (with_mean) copy(lowering, found.mean, without_kept(lowering.output(1), dims, source.rank()));
}

// ||x||_p: what is summed, how, and what becomes of the sum.
void norm_over(Lowering& lowering, double p, std::span<const size_t> dims) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  require(is_floating(target.dtype), "a norm of a complex dtype");
  const DType compute = compute_type(target.dtype);
  const bool infinite = std::isinf(p);
  ReduceOp op = ReduceOp::Sum;
  if (infinite) op = p > 0 ? ReduceOp::Maximum : ReduceOp::Minimum;
  const Tensor ordered = permute(source, parallel_first(source.rank(), dims));
  const Extents kept = sizes_without(source, dims);
  const Extents reduced = sizes_at(source, dims);
  if (infinite) require(!product(reduced).is(0), "an infinite norm of nothing");
  const Tensor sum = lowering.temporary(compute, kept);
  Loop loop(lowering, kept, reduced);
  const Scalar loaded = loop.load(ordered);
  require(is_floating(loaded.dtype()) || is_complex(loaded.dtype()), "a norm of integers");
  const Scalar size =
      cast(is_complex(loaded.dtype()) ? abs(loaded) : abs(cast(loaded, compute)), compute);
  if (infinite || p == 1) {
    loop.store(sum, size);
  } else if (p == 0) {
    loop.store(sum, cast(size != 0.0, compute));
  } else if (p == 2) {
    loop.store(sum, size * size);
  } else {
    loop.store(sum, apply(ScalarOp::Pow, size, size.constant(p)));
  }
  loop.reduce(op);
  Loop finish(lowering, kept);
  const Scalar found = finish.load(sum);
  const Tensor to = without_kept(target, dims, source.rank());
  if (infinite || p == 1 || p == 0) {
    finish.store(to, found);
  } else if (p == 2) {
    finish.store(to, sqrt(found));
  } else {
    finish.store(to, apply(ScalarOp::Pow, found, found.constant(1 / p)));
  }
  finish.map();
}

// norm.*(self, p, dim, ...), linalg_vector_norm(self, ord, dim, ...)
template <size_t dim_arg>
void norm(Lowering& lowering) {
  const double p = lowering.given(1) ? lowering.fixed(lowering.number(1)) : 2.0;
  norm_over(lowering, p, reduced_dims(lowering, dim_arg, lowering.tensor(0).rank()));
}

}  // namespace

void add_reduction_rows(OpTable& table) {
  table.add({"sum"}, total<ReduceOp::Sum, kNoDims>);
  table.add({"sum.dim_IntList", "sum.IntList_out"}, total<ReduceOp::Sum, 1>);
  table.add({"nansum", "nansum.out"}, total<ReduceOp::Sum, 1, true>);
  table.add({"prod"}, total<ReduceOp::Product, kNoDims>);
  table.add({"prod.dim_int", "prod.int_out"}, total<ReduceOp::Product, 1>);
  table.add({"mean", "mean.dtype_out"}, mean<kNoDims>);
  table.add({"mean.dim", "mean.out"}, mean<1>);
  table.add({"amax", "amax.out"}, extreme<ReduceOp::Maximum, 1>);
  table.add({"amin", "amin.out"}, extreme<ReduceOp::Minimum, 1>);
  table.add({"max", "max.unary_out"}, extreme<ReduceOp::Maximum, kNoDims>);
  table.add({"min", "min.unary_out"}, extreme<ReduceOp::Minimum, kNoDims>);
  table.add({"aminmax", "aminmax.out"}, aminmax);
  table.add({"max.dim", "max.dim_max"},
            extreme_with_index<ReduceOp::Maximum, ReduceOp::ArgMaximum>);
  table.add({"min.dim", "min.dim_min"},
            extreme_with_index<ReduceOp::Minimum, ReduceOp::ArgMinimum>);
  table.add({"argmax", "argmax.out"}, extreme<ReduceOp::ArgMaximum, 1>);
  table.add({"argmin", "argmin.out"}, extreme<ReduceOp::ArgMinimum, 1>);
  table.add({"any", "any.all_out"}, any_or_all<ReduceOp::Any, kNoDims>);
  table.add({"all", "all.all_out"}, any_or_all<ReduceOp::All, kNoDims>);
  table.add({"any.dim", "any.out", "any.dims", "any.dims_out"}, any_or_all<ReduceOp::Any, 1>);
  table.add({"all.dim", "all.out", "all.dims", "all.dims_out"}, any_or_all<ReduceOp::All, 1>);
  table.add({"count_nonzero", "count_nonzero.dim_IntList"}, count_nonzero);
  table.add({"logsumexp", "logsumexp.out"}, logsumexp);
  table.add({"var.correction", "var.correction_out"}, variance<false, false>);
  table.add({"std.correction", "std.correction_out"}, variance<true, false>);
  table.add({"var_mean.correction"}, variance<false, true>);
  table.add({"std_mean.correction"}, variance<true, true>);
  table.add({"norm.Scalar", "norm.ScalarOpt_dtype"}, norm<kNoDims>);
  table.add({"norm.ScalarOpt_dim", "norm.ScalarOpt_dim_dtype", "norm.out", "norm.dtype_out",
             "linalg_vector_norm", "linalg_vector_norm.out"},
            norm<2>);
}

}  // namespace trireme::graph
