// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "trireme/graph/interpret/evaluator.h"
#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool keeps_maximum(ReduceOp op) { return op == ReduceOp::Maximum || op == ReduceOp::ArgMaximum; }
bool keeps_minimum(ReduceOp op) { return op == ReduceOp::Minimum || op == ReduceOp::ArgMinimum; }

int64_t lowest(DType dtype) {
  if (dtype == DType::Bool || dtype == DType::UInt8) return 0;
  return std::numeric_limits<int64_t>::min() >> (64 - 8 * static_cast<int>(size_of(dtype)));
}

int64_t highest(DType dtype) {
  if (dtype == DType::Bool) return 1;
  return dtype == DType::UInt8 ? 255 : ~lowest(dtype);
}

// One reduction in progress.
class Accumulator {
 public:
  Accumulator(ReduceOp op, DType dtype) : op_(op), dtype_(dtype) {
    if (op == ReduceOp::Product || op == ReduceOp::All) integer_ = 1;
    if (op == ReduceOp::Product) real_ = 1, complex_ = 1;
    if (keeps_maximum(op)) real_ = -kInfinity, integer_ = lowest(dtype);
    if (keeps_minimum(op)) real_ = kInfinity, integer_ = highest(dtype);
    if (op == ReduceOp::LogSumExp) real_ = -kInfinity;
  }

  void add(const Column& from, size_t i) {
    if (is_complex(dtype_)) {
      add(from.complexes[i]);
    } else if (is_integral(dtype_)) {
      add(from.integers[i]);
    } else {
      add(from.reals[i]);
    }
    ++count_;
  }

  void write(const Writer& to, int64_t element, size_t which) const {
    std::byte* at = to.at(element);
    if (op_ == ReduceOp::ArgMaximum || op_ == ReduceOp::ArgMinimum) {
      write_integer(to.dtype, at, position_);
    } else if (op_ == ReduceOp::Welford) {
      const double mean = count_ == 0 ? std::nan("") : mean_;
      write_real(to.dtype, at, which == 0 ? mean : squares_);
    } else if (op_ == ReduceOp::LogSumExp) {
      const bool plain = std::isinf(real_) || std::isnan(real_);
      write_real(to.dtype, at, plain ? real_ : real_ + std::log(scaled_));
    } else if (is_complex(dtype_)) {
      write_complex(to.dtype, at, complex_);
    } else if (is_integral(dtype_)) {
      write_integer(to.dtype, at, integer_);
    } else {
      write_real(to.dtype, at, real_);
    }
  }

 private:
  void add(Complex value) {
    if (op_ == ReduceOp::Product) {
      complex_ = apply_complex(ScalarOp::Mul, DType::Complex128, complex_, value);
    } else {
      complex_ += value;
    }
  }

  void add(int64_t value) {
    switch (op_) {
      case ReduceOp::Product:
        integer_ = apply_integer(ScalarOp::Mul, dtype_, integer_, value);
        return;
      case ReduceOp::Any:
        integer_ |= value;
        return;
      case ReduceOp::All:
        integer_ &= value;
        return;
      case ReduceOp::Maximum:
      case ReduceOp::ArgMaximum:
        if (count_ == 0 || value > integer_) keep(value);
        return;
      case ReduceOp::Minimum:
      case ReduceOp::ArgMinimum:
        if (count_ == 0 || value < integer_) keep(value);
        return;
      default:
        integer_ = apply_integer(ScalarOp::Add, dtype_, integer_, value);
    }
  }

  void add(double value) {
    switch (op_) {
      case ReduceOp::Product:
        real_ *= value;
        return;
      case ReduceOp::Maximum:
      case ReduceOp::ArgMaximum:
        if (first_or_nan(value) || value > real_) keep(value);
        return;
      case ReduceOp::Minimum:
      case ReduceOp::ArgMinimum:
        if (first_or_nan(value) || value < real_) keep(value);
        return;
      case ReduceOp::Welford: {
        const double delta = value - mean_;
        mean_ += delta / static_cast<double>(count_ + 1);
        squares_ += delta * (value - mean_);
        return;
      }
      case ReduceOp::LogSumExp:
        add_exponential(value);
        return;
      default:
        real_ += value;
    }
  }

  // The first NaN stays.
  bool first_or_nan(double value) const {
    return !std::isnan(real_) && (count_ == 0 || std::isnan(value));
  }

  void keep(double value) {
    real_ = value;
    position_ = count_;
  }
  void keep(int64_t value) {
    integer_ = value;
    position_ = count_;
  }

  void add_exponential(double value) {
    if (std::isnan(value) || std::isnan(real_)) {
      real_ = std::nan("");
    } else if (value > real_) {
      scaled_ = std::isinf(value) ? 1 : scaled_ * std::exp(real_ - value) + 1;
      real_ = value;
    } else if (!std::isinf(real_)) {
      scaled_ += std::exp(value - real_);
    }
  }

  ReduceOp op_;
  DType dtype_;
  int64_t count_ = 0;
  double real_ = 0;
  int64_t integer_ = 0;
  Complex complex_ = 0;
  int64_t position_ = 0;
  double mean_ = 0;
  double squares_ = 0;
  double scaled_ = 0;  // LogSumExp: the sum of exp(value - maximum)
};

}  // namespace

void run_reduce(NodeRun& run, const Reduce& reduce) {
  Points points(run.dims);
  Points outer(run.parallel());
  const int64_t inner = outer.count() == 0 ? 0 : points.count() / outer.count();
  Evaluator evaluator(reduce.expression, run.operands, run.inputs.numbers);
  const std::vector<ExprId>& roots = reduce.expression.roots;
  const auto fresh = [&] {
    std::vector<Accumulator> made;
    made.reserve(roots.size());
    for (const ExprId root : roots) {
      made.emplace_back(reduce.op, reduce.expression.nodes[root].dtype);
    }
    return made;
  };
  std::vector<Accumulator> accumulators = fresh();
  std::vector<int64_t> elements;
  const auto finish = [&](int64_t at) {
    outer.move_to(at, 1);
    for (size_t k = 0; k < run.results.size(); ++k) {
      const bool pair = reduce.op == ReduceOp::Welford;
      outer.locate(run.results[k].layout, elements);
      accumulators[pair ? 0 : k].write(run.results[k], elements[0], pair ? k : 0);
    }
    accumulators = fresh();
  };
  if (inner == 0) {
    for (int64_t at = 0; at < outer.count(); ++at) finish(at);
    return;
  }
  for (int64_t first = 0; first < points.count(); first += Points::kBlock) {
    points.move_to(first, std::min(Points::kBlock, points.count() - first));
    evaluator.evaluate(points);
    for (int64_t i = 0; i < points.here(); ++i) {
      for (size_t k = 0; k < roots.size(); ++k) {
        accumulators[k].add(evaluator.root(k), static_cast<size_t>(i));
      }
      if ((first + i + 1) % inner == 0) finish((first + i) / inner);
    }
  }
}

}  // namespace trireme::graph
