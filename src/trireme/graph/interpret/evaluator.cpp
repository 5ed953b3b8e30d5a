// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/interpret/evaluator.h"

#include <algorithm>

namespace trireme::graph {
namespace {

DType part_of(DType dtype) { return dtype == DType::Complex64 ? DType::Float32 : DType::Float64; }

}  // namespace

void Column::resize(DType type, size_t count) {
  dtype = type;
  if (is_complex(type)) {
    complexes.resize(count);
  } else if (is_integral(type)) {
    integers.resize(count);
  } else {
    reals.resize(count);
  }
}

Evaluator::Evaluator(const Expression& expression, std::span<const Reader> operands,
                     std::span<const Number> numbers)
    : expression_(expression),
      operands_(operands),
      numbers_(numbers),
      columns_(expression.nodes.size()) {}

void Evaluator::evaluate(const Points& points) {
  for (size_t i = 0; i < expression_.nodes.size(); ++i) {
    const ExprNode& node = expression_.nodes[i];
    columns_[i].resize(node.dtype, static_cast<size_t>(points.here()));
    evaluate(node, points, columns_[i]);
  }
}

void Evaluator::evaluate(const ExprNode& node, const Points& points, Column& to) {
  const auto count = static_cast<size_t>(points.here());
  switch (node.op) {
    case ScalarOp::Load:
      return load(operands_[node.index], points, to);
    case ScalarOp::Number:
      return fill(numbers_[node.index], to);
    case ScalarOp::Constant:
      std::ranges::fill(to.reals, round_to(node.dtype, node.value));
      std::ranges::fill(to.complexes, round_to(node.dtype, Complex(node.value)));
      std::ranges::fill(to.integers, node.integer);
      return;
    case ScalarOp::Index:
      std::copy_n(points.coordinate(node.index), count, to.integers.begin());
      return;
    case ScalarOp::Extent:
      std::ranges::fill(to.integers, points.dims()[node.index]);
      return;
    case ScalarOp::Cast:
      return cast(columns_[node.args[0]], to);
    case ScalarOp::Select:
      return select(node, to);
    default:
      break;
  }
  if (is_comparison(node.op) || node.op == ScalarOp::IsNan || node.op == ScalarOp::IsInf) {
    return test(node, to);
  }
  const Column& a = columns_[node.args[0]];
  const Column& b = columns_[arity(node.op) > 1 ? node.args[1] : node.args[0]];
  for (size_t i = 0; i < count; ++i) {
    if (node.op == ScalarOp::Complex) {
      to.complexes[i] = {a.reals[i], b.reals[i]};
    } else if (is_complex(a.dtype) && node.op == ScalarOp::Abs) {
      to.reals[i] = round_to(node.dtype, std::abs(a.complexes[i]));
    } else if (is_complex(a.dtype) && node.op == ScalarOp::Real) {
      to.reals[i] = a.complexes[i].real();
    } else if (is_complex(a.dtype) && node.op == ScalarOp::Imag) {
      to.reals[i] = a.complexes[i].imag();
    } else if (is_complex(node.dtype)) {
      to.complexes[i] =
          round_to(node.dtype, apply_complex(node.op, node.dtype, a.complexes[i], b.complexes[i]));
    } else if (is_integral(node.dtype)) {
      to.integers[i] =
          wrap_to(node.dtype, apply_integer(node.op, node.dtype, a.integers[i], b.integers[i]));
    } else {
      to.reals[i] = round_to(node.dtype, apply_real(node.op, node.dtype, a.reals[i], b.reals[i]));
    }
  }
}

void Evaluator::load(const Reader& from, const Points& points, Column& to) {
  points.locate(from.layout, elements_);
  for (size_t i = 0; i < elements_.size(); ++i) {
    const std::byte* at = from.at(elements_[i]);
    if (is_complex(to.dtype)) {
      to.complexes[i] = read_complex(to.dtype, at);
    } else if (is_integral(to.dtype)) {
      to.integers[i] = read_integer(to.dtype, at);
    } else {
      to.reals[i] = read_real(to.dtype, at);
    }
  }
}

void Evaluator::fill(const Number& number, Column& to) {
  const bool whole = is_integral(number.dtype);
  const double real = whole ? static_cast<double>(number.integer) : number.real;
  const int64_t integer =
      is_integral(to.dtype) && !whole ? to_integer(to.dtype, number.real) : number.integer;
  std::ranges::fill(to.reals, is_floating(to.dtype) ? round_to(to.dtype, real) : real);
  std::ranges::fill(to.integers, wrap_to(to.dtype, integer));
  std::ranges::fill(to.complexes, round_to(to.dtype, Complex(real, number.imag)));
}

void Evaluator::cast(const Column& from, Column& to) {
  const size_t count = std::max({from.reals.size(), from.integers.size(), from.complexes.size()});
  for (size_t i = 0; i < count; ++i) {
    if (is_complex(from.dtype)) {
      const Complex value = from.complexes[i];
      if (is_complex(to.dtype)) {
        to.complexes[i] = round_to(to.dtype, value);
      } else if (to.dtype == DType::Bool) {
        to.integers[i] = value != Complex() ? 1 : 0;
      } else if (is_integral(to.dtype)) {
        to.integers[i] = to_integer(to.dtype, value.real());
      } else {
        to.reals[i] = round_to(to.dtype, value.real());
      }
      continue;
    }
    const bool whole = is_integral(from.dtype);
    if (is_integral(to.dtype)) {
      to.integers[i] =
          whole ? wrap_to(to.dtype, from.integers[i]) : to_integer(to.dtype, from.reals[i]);
      continue;
    }
    const double value = whole ? static_cast<double>(from.integers[i]) : from.reals[i];
    if (is_complex(to.dtype)) {
      to.complexes[i] = round_to(part_of(to.dtype), value);
    } else {
      to.reals[i] = round_to(to.dtype, value);
    }
  }
}

void Evaluator::select(const ExprNode& node, Column& to) {
  const std::vector<int64_t>& condition = columns_[node.args[0]].integers;
  const Column& yes = columns_[node.args[1]];
  const Column& no = columns_[node.args[2]];
  for (size_t i = 0; i < condition.size(); ++i) {
    const Column& from = condition[i] != 0 ? yes : no;
    if (is_complex(to.dtype)) {
      to.complexes[i] = from.complexes[i];
    } else if (is_integral(to.dtype)) {
      to.integers[i] = from.integers[i];
    } else {
      to.reals[i] = from.reals[i];
    }
  }
}

void Evaluator::test(const ExprNode& node, Column& to) {
  const Column& a = columns_[node.args[0]];
  const Column& b = columns_[arity(node.op) > 1 ? node.args[1] : node.args[0]];
  for (size_t i = 0; i < to.integers.size(); ++i) {
    bool holds = false;
    if (is_complex(a.dtype)) {
      holds = test_complex(node.op, a.complexes[i], b.complexes[i]);
    } else if (is_integral(a.dtype)) {
      holds = test_integer(node.op, a.integers[i], b.integers[i]);
    } else {
      holds = test_real(node.op, a.reals[i], b.reals[i]);
    }
    to.integers[i] = holds ? 1 : 0;
  }
}

}  // namespace trireme::graph
