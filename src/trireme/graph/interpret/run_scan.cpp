// SPDX-License-Identifier: Apache-2.0
// What goes along one dimension: cumulative reductions and sorting.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <variant>

#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

using Element = std::variant<double, int64_t, Complex>;

Element read(const Reader& from, int64_t element) {
  const std::byte* at = from.at(element);
  if (is_complex(from.dtype)) return read_complex(from.dtype, at);
  if (is_integral(from.dtype)) return read_integer(from.dtype, at);
  return read_real(from.dtype, at);
}

void write(const Writer& to, int64_t element, const Element& value) {
  std::byte* at = to.at(element);
  if (const auto* real = std::get_if<double>(&value)) {
    write_real(to.dtype, at, *real);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    write_integer(to.dtype, at, *integer);
  } else {
    write_complex(to.dtype, at, std::get<Complex>(value));
  }
}

double log_add(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::nan("");
  const double high = std::max(a, b);
  if (std::isinf(high)) return high;
  return high + std::log1p(std::exp(std::min(a, b) - high));
}

bool is_nan(const Element& value) {
  const auto* real = std::get_if<double>(&value);
  return real != nullptr && std::isnan(*real);
}

bool less_than(const Element& a, const Element& b) {
  if (is_nan(a) || is_nan(b)) return !is_nan(a) && is_nan(b);  // NaN is the greatest
  return std::get_if<double>(&a) != nullptr ? std::get<double>(a) < std::get<double>(b)
                                            : std::get<int64_t>(a) < std::get<int64_t>(b);
}

// Whether the later element takes the place of the one kept (equal ones do: as ATen's cummax).
bool replaces(ScanOp op, const Element& later, const Element& kept) {
  if (is_nan(kept) || is_nan(later)) return is_nan(later);
  return op == ScanOp::Maximum ? !less_than(later, kept) : !less_than(kept, later);
}

Element accumulate(ScanOp op, DType dtype, const Element& sum, const Element& next) {
  const ScalarOp with = op == ScanOp::Product ? ScalarOp::Mul : ScalarOp::Add;
  if (const auto* complex = std::get_if<Complex>(&sum)) {
    return apply_complex(with, dtype, *complex, std::get<Complex>(next));
  }
  if (const auto* integer = std::get_if<int64_t>(&sum)) {
    return apply_integer(with, dtype, *integer, std::get<int64_t>(next));
  }
  const double a = std::get<double>(sum);
  const double b = std::get<double>(next);
  return op == ScanOp::LogSumExp ? log_add(a, b) : apply_real(with, dtype, a, b);
}

// Calls `line` with the first element of each line along `dim`, for the operand and the results.
template <class Line>
void each_line(const NodeRun& run, const std::vector<int64_t>& dims, size_t dim, Line line) {
  std::vector<int64_t> outer = dims;
  if (!outer.empty()) outer[dim] = 1;
  Points points(outer);
  std::vector<int64_t> from;
  std::vector<std::vector<int64_t>> to(run.results.size());
  for (int64_t first = 0; first < points.count(); first += Points::kBlock) {
    points.move_to(first, std::min(Points::kBlock, points.count() - first));
    points.locate(run.operands[0].layout, from);
    for (size_t k = 0; k < to.size(); ++k) points.locate(run.results[k].layout, to[k]);
    for (size_t i = 0; i < from.size(); ++i) {
      std::vector<int64_t> starts;
      starts.reserve(to.size());
      for (const auto& result : to) starts.push_back(result[i]);
      line(from[i], starts);
    }
  }
}

int64_t stride_along(const Layout& layout, size_t dim) {
  return layout.strides.empty() ? 0 : layout.strides[dim];
}

bool less_scan(ScanOp op) { return op == ScanOp::Maximum || op == ScanOp::Minimum; }

}  // namespace

void run_scan(NodeRun& run, const Scan& scan) {
  const Reader& from = run.operands[0];
  const int64_t length = run.dims.empty() ? 1 : run.dims[scan.dim];
  each_line(run, run.dims, scan.dim, [&](int64_t start, const std::vector<int64_t>& to) {
    Element kept;
    int64_t position = 0;
    for (int64_t i = 0; i < length; ++i) {
      const Element next = read(from, start + i * stride_along(from.layout, scan.dim));
      if (i == 0) {
        kept = next;
      } else if (!less_scan(scan.op)) {
        kept = accumulate(scan.op, from.dtype, kept, next);
      } else if (replaces(scan.op, next, kept)) {
        kept = next;
        position = i;
      }
      write(run.results[0], to[0] + i * stride_along(run.results[0].layout, scan.dim), kept);
      if (run.results.size() > 1) {
        write(run.results[1], to[1] + i * stride_along(run.results[1].layout, scan.dim), position);
      }
    }
  });
}

void run_sort(NodeRun& run, const Sort& sort) {
  const Reader& from = run.operands[0];
  const std::vector<int64_t>& dims = from.layout.sizes;
  const int64_t length = dims.empty() ? 1 : dims[sort.dim];
  const int64_t taken = sort.take ? sort.take->evaluate(run.inputs.symbols) : length;
  each_line(run, dims, sort.dim, [&](int64_t start, const std::vector<int64_t>& to) {
    std::vector<Element> line;
    for (int64_t i = 0; i < length; ++i) {
      line.push_back(read(from, start + i * stride_along(from.layout, sort.dim)));
    }
    std::vector<int64_t> order(line.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](int64_t a, int64_t b) {
      const auto left = static_cast<size_t>(sort.descending ? b : a);
      const auto right = static_cast<size_t>(sort.descending ? a : b);
      return less_than(line[left], line[right]);
    });
    for (int64_t i = 0; i < taken; ++i) {
      const int64_t position = order[static_cast<size_t>(i)];
      write(run.results[0], to[0] + i * stride_along(run.results[0].layout, sort.dim),
            line[static_cast<size_t>(position)]);
      if (run.results.size() > 1) {
        write(run.results[1], to[1] + i * stride_along(run.results[1].layout, sort.dim), position);
      }
    }
  });
}

}  // namespace trireme::graph
