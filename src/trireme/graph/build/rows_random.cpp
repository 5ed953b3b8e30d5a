// SPDX-License-Identifier: Apache-2.0
// Ops that draw: one Random, whose values docs/random.md defines. Arguments that ATen refuses
// decline, so that its kernel says so.
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

void draw(Lowering& lowering, Distribution distribution, std::initializer_list<double> parameters,
          const Tensor& target) {
  if (!lowering.call().random) decline("a random call without a state");
  require(!target.conj && !target.neg, "drawing into a view of conjugates or negatives");
  Random random{.distribution = distribution, .state = *lowering.call().random, .parameters = {}};
  for (const double parameter : parameters) {
    random.parameters.push_back({.input = {}, .constant = parameter});
  }
  lowering.append(std::move(random), target.sizes, target.rank(), {}, std::span(&target, 1));
}

double limit(DType dtype) {
  switch (dtype) {
    case DType::Float16:
      return 65504;
    case DType::BFloat16:
      return 0x1.fep127;
    case DType::Float32:
      return std::numeric_limits<float>::max();
    default:
      return std::numeric_limits<double>::max();
  }
}

void uniform_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  require(is_floating(output.dtype), "uniform_ of complex numbers");
  const double from = lowering.given(1) ? lowering.fixed(lowering.number(1)) : 0;
  const double to = lowering.given(2) ? lowering.fixed(lowering.number(2)) : 1;
  const double most = limit(output.dtype);
  require(from <= to && from >= -most && to <= most && to - from <= most,
          "a range that the dtype lacks");
  draw(lowering, Distribution::Uniform, {from, to}, output);
}

// Of a complex tensor: both parts, each with half the variance.
void normal_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const double mean = lowering.given(1) ? lowering.fixed(lowering.number(1)) : 0;
  const double deviation = lowering.given(2) ? lowering.fixed(lowering.number(2)) : 1;
  require(deviation >= 0, "a negative standard deviation");
  if (is_complex(output.dtype)) {
    return draw(lowering, Distribution::Normal, {mean, deviation / std::sqrt(2.0)},
                as_real(output));
  }
  require(is_floating(output.dtype), "normal_ of integers");
  draw(lowering, Distribution::Normal, {mean, deviation}, output);
}

void exponential_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const double rate = lowering.given(1) ? lowering.fixed(lowering.number(1)) : 1;
  require(is_floating(output.dtype) && rate > 0, "an exponential distribution that ATen refuses");
  draw(lowering, Distribution::Exponential, {rate}, output);
}

void bernoulli_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const double p = lowering.given(1) ? lowering.fixed(lowering.number(1)) : 0.5;
  require(p >= 0 && p <= 1 && !is_complex(output.dtype), "a probability that ATen refuses");
  draw(lowering, Distribution::Bernoulli, {p}, output);
}

// The first integer that is not exact in the dtype, with its neighbours above; of integers: one
// more than the largest.
double exact_limit(DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return 2;
    case DType::UInt8:
      return 0x1p8;
    case DType::Int8:
      return 0x1p7;
    case DType::Int16:
      return 0x1p15;
    case DType::Int32:
      return 0x1p31;
    case DType::Float16:
      return 0x1p11;
    case DType::BFloat16:
      return 0x1p8;
    case DType::Float32:
      return 0x1p24;
    default:  // what a parameter, which is a double, can say
      return 0x1p53;
  }
}

// Integers in [from, to).
void draw_integers(Lowering& lowering, double from, double to) {
  const Tensor& output = lowering.output(0);
  const DType dtype = output.dtype;
  require(!is_complex(dtype), "complex integers");
  const double most = exact_limit(dtype);
  const double least = is_integral(dtype) && !is_signed(dtype) ? 0 : -most;
  // Of floating types the largest exact one takes part.
  require(from < to && from >= least && to <= most + (is_integral(dtype) ? 0 : 1),
          "a range that the dtype lacks");
  draw(lowering, Distribution::Integer, {from, to}, output);
}

// The default range: all that is not negative and exact.
double default_end(DType dtype) {
  require(dtype != DType::Int64 && dtype != DType::Float64, "a range that a parameter lacks");
  return exact_limit(dtype) + (is_integral(dtype) ? 0 : 1);
}

void random_row(Lowering& lowering) {
  draw_integers(lowering, 0, default_end(lowering.output(0).dtype));
}

void random_to_row(Lowering& lowering) {
  draw_integers(lowering, 0, static_cast<double>(lowering.integer(1)));
}

void random_from_row(Lowering& lowering) {
  const double to = lowering.given(2) ? static_cast<double>(lowering.integer(2))
                                      : default_end(lowering.output(0).dtype);
  draw_integers(lowering, static_cast<double>(lowering.integer(1)), to);
}

// input, p, train; outputs: what is left, scaled, and the mask.
void native_dropout_row(Lowering& lowering) {
  const Tensor& input = lowering.tensor(0);
  const Tensor& output = lowering.output(0);
  const Tensor& mask = lowering.output(1);
  if (lowering.given(2) && !lowering.flag(2)) {
    copy(lowering, input, output);
    return fill(lowering, mask, 1);
  }
  const double keep = 1.0 - lowering.fixed(lowering.number(1));
  require(keep >= 0 && keep <= 1, "a probability that ATen refuses");
  require(mask.dtype == DType::Bool && !is_integral(input.dtype), "dropout of integers");
  draw(lowering, Distribution::Bernoulli, {keep}, mask);
  Loop loop(lowering, output.sizes);
  const DType type = compute_type(input.dtype);
  // The scale has the input's precision where the kernel is one pass, else the compute type's.
  const double factor = keep == 0 ? 0.0 : 1.0 / keep;
  const bool one_pass = is_contiguous(input) && is_contiguous(mask);
  const Scalar scale =
      one_pass ? cast(loop.constant(factor, input.dtype), type) : loop.constant(factor, type);
  const Scalar value = loop.load(input, type);
  loop.store(output, value * loop.load(mask, type) * scale);
  loop.map();
}

void native_dropout_backward_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const DType type = compute_type(output.dtype);
  Loop loop(lowering, output.sizes);
  const Scalar grad = loop.load(lowering.tensor(0), type);
  const Scalar kept = grad * loop.load(lowering.tensor(1), type);
  loop.store(output, kept * filling(loop, lowering.number(2), type));
  loop.map();
}

}  // namespace

void add_random_rows(OpTable& table) {
  table.add({"uniform_", "uniform", "uniform.out"}, uniform_row);
  table.add({"normal_", "normal_functional", "normal.out"}, normal_row);
  table.add({"exponential_", "exponential", "exponential.out"}, exponential_row);
  table.add({"bernoulli_.float", "bernoulli.p", "bernoulli.float_out"}, bernoulli_row);
  table.add({"random_", "random", "random.out"}, random_row);
  table.add({"random_.to", "random.to", "random.to_out"}, random_to_row);
  table.add({"random_.from", "random.from", "random.from_out"}, random_from_row);
  table.add({"native_dropout", "native_dropout.out"}, native_dropout_row);
  table.add({"native_dropout_backward", "native_dropout_backward.out"},
            native_dropout_backward_row);
}

}  // namespace trireme::graph
