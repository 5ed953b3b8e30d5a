// SPDX-License-Identifier: Apache-2.0
// Scaled dot product attention, row by row of the scores.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A 4-dimensional operand, by coordinates.
double read(const Reader& from, int64_t a, int64_t b, int64_t c, int64_t d) {
  const Layout& at = from.layout;
  const int64_t element =
      at.offset + a * at.strides[0] + b * at.strides[1] + c * at.strides[2] + d * at.strides[3];
  if (is_integral(from.dtype))
    return static_cast<double>(read_integer(from.dtype, from.at(element)));
  return read_real(from.dtype, from.at(element));
}

void write(const Writer& to, std::vector<int64_t> index, double value) {
  int64_t element = to.layout.offset;
  for (size_t i = 0; i < index.size(); ++i) element += index[i] * to.layout.strides[i];
  write_real(to.dtype, to.at(element), value);
}

struct Problem {
  const Reader& query;
  const Reader& key;
  const Reader& value;
  const Reader* mask;
  bool causal;
  double scale;

  int64_t batch() const { return query.layout.sizes[0]; }
  int64_t heads() const { return query.layout.sizes[1]; }
  int64_t rows() const { return query.layout.sizes[2]; }
  int64_t depth() const { return query.layout.sizes[3]; }
  int64_t columns() const { return key.layout.sizes[2]; }
  int64_t width() const { return value.layout.sizes[3]; }
  int64_t key_head(int64_t head) const { return head / (heads() / key.layout.sizes[1]); }

  // -infinity where the column takes no part.
  double score(int64_t b, int64_t h, int64_t l, int64_t s) const {
    if (causal && s > l) return -kInfinity;
    double sum = 0;
    for (int64_t d = 0; d < depth(); ++d) {
      sum += read(query, b, h, l, d) * read(key, b, key_head(h), s, d);
    }
    sum *= scale;
    if (mask == nullptr) return sum;
    const double at = read(*mask, b, h, l, s);
    if (mask->dtype == DType::Bool) return at != 0 ? sum : -kInfinity;
    return sum + at;
  }
};

void forward(NodeRun& run, const Problem& problem) {
  std::vector<double> scores(static_cast<size_t>(problem.columns()));
  for (int64_t b = 0; b < problem.batch(); ++b) {
    for (int64_t h = 0; h < problem.heads(); ++h) {
      for (int64_t l = 0; l < problem.rows(); ++l) {
        double highest = -kInfinity;
        for (int64_t s = 0; s < problem.columns(); ++s) {
          scores[static_cast<size_t>(s)] = problem.score(b, h, l, s);
          highest = std::max(highest, scores[static_cast<size_t>(s)]);
        }
        double sum = 0;
        for (double& score : scores) {
          score = highest == -kInfinity ? 0 : std::exp(score - highest);
          sum += score;
        }
        // A row with no column that takes part gives zeros, as ATen's CPU kernel does.
        for (int64_t e = 0; e < problem.width(); ++e) {
          double out = 0;
          for (int64_t s = 0; s < problem.columns(); ++s) {
            const double weight = scores[static_cast<size_t>(s)];
            if (weight != 0) out += weight * read(problem.value, b, problem.key_head(h), s, e);
          }
          write(run.results[0], {b, h, l, e}, sum == 0 ? 0 : out / sum);
        }
        if (run.results.size() > 1) {
          write(run.results[1], {b, h, l}, sum == 0 ? highest : highest + std::log(sum));
        }
      }
    }
  }
}

// Sums of a gradient, to be written at the end.
class Gradient {
 public:
  explicit Gradient(const Writer& to) : to_(to), sums_(to.bytes.size() / size_of(to.dtype)) {}
  void add(int64_t a, int64_t b, int64_t c, int64_t d, double value) {
    sums_[static_cast<size_t>(at(a, b, c, d))] += value;
  }
  void write() const {
    const std::vector<int64_t>& sizes = to_.layout.sizes;
    for (int64_t a = 0; a < sizes[0]; ++a) {
      for (int64_t b = 0; b < sizes[1]; ++b) {
        for (int64_t c = 0; c < sizes[2]; ++c) {
          for (int64_t d = 0; d < sizes[3]; ++d) {
            const int64_t element = at(a, b, c, d);
            write_real(to_.dtype, to_.at(element), sums_[static_cast<size_t>(element)]);
          }
        }
      }
    }
  }

 private:
  int64_t at(int64_t a, int64_t b, int64_t c, int64_t d) const {
    const Layout& layout = to_.layout;
    return layout.offset + a * layout.strides[0] + b * layout.strides[1] + c * layout.strides[2] +
           d * layout.strides[3];
  }

  const Writer& to_;
  std::vector<double> sums_;
};

double row(const Reader& from, int64_t b, int64_t h, int64_t l) {
  const Layout& at = from.layout;
  return read_real(from.dtype,
                   from.at(at.offset + b * at.strides[0] + h * at.strides[1] + l * at.strides[2]));
}

// FlashAttention's backward (Dao et al., 2022), from the logarithms of the rows' sums.
void backward(NodeRun& run, const Problem& problem) {
  const Reader& grad = run.operands[0];
  const Reader& out = run.operands[4];
  const Reader& logarithm = run.operands[5];
  Gradient grad_query(run.results[0]);
  Gradient grad_key(run.results[1]);
  Gradient grad_value(run.results[2]);
  for (int64_t b = 0; b < problem.batch(); ++b) {
    for (int64_t h = 0; h < problem.heads(); ++h) {
      const int64_t g = problem.key_head(h);
      for (int64_t l = 0; l < problem.rows(); ++l) {
        double delta = 0;
        for (int64_t e = 0; e < problem.width(); ++e) {
          delta += read(grad, b, h, l, e) * read(out, b, h, l, e);
        }
        for (int64_t s = 0; s < problem.columns(); ++s) {
          const double score = problem.score(b, h, l, s);
          if (score == -kInfinity) continue;
          const double weight = std::exp(score - row(logarithm, b, h, l));
          double product = 0;
          for (int64_t e = 0; e < problem.width(); ++e) {
            product += read(grad, b, h, l, e) * read(problem.value, b, g, s, e);
            grad_value.add(b, g, s, e, weight * read(grad, b, h, l, e));
          }
          const double grad_score = weight * (product - delta) * problem.scale;
          for (int64_t d = 0; d < problem.depth(); ++d) {
            grad_query.add(b, h, l, d, grad_score * read(problem.key, b, g, s, d));
            grad_key.add(b, g, s, d, grad_score * read(problem.query, b, h, l, d));
          }
        }
      }
    }
  }
  grad_query.write();
  grad_key.write();
  grad_value.write();
}

}  // namespace

void run_attend(NodeRun& run, const Attend& attend) {
  const size_t first = attend.backward ? 1 : 0;
  const size_t mask = attend.backward ? 6 : 3;
  const Problem problem{run.operands[first],     run.operands[first + 1],
                        run.operands[first + 2], attend.masked ? &run.operands[mask] : nullptr,
                        attend.causal,           value_of(attend.scale, run.inputs)};
  if (attend.backward) {
    backward(run, problem);
  } else {
    forward(run, problem);
  }
}

}  // namespace trireme::graph
