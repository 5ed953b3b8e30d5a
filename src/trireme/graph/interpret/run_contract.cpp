// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

template <class T, class Read, class Write>
void contract(NodeRun& run, Read read, Write write) {
  Points points(run.dims);
  Points outer(run.parallel());
  const int64_t inner = outer.count() == 0 ? 0 : points.count() / outer.count();
  std::vector<int64_t> left;
  std::vector<int64_t> right;
  std::vector<int64_t> to;
  T sum{};
  const auto finish = [&](int64_t at) {
    outer.move_to(at, 1);
    outer.locate(run.results[0].layout, to);
    write(run.results[0], to[0], sum);
    sum = T{};
  };
  if (inner == 0) {
    for (int64_t at = 0; at < outer.count(); ++at) finish(at);
    return;
  }
  for (int64_t first = 0; first < points.count(); first += Points::kBlock) {
    points.move_to(first, std::min(Points::kBlock, points.count() - first));
    points.locate(run.operands[0].layout, left);
    points.locate(run.operands[1].layout, right);
    for (int64_t i = 0; i < points.here(); ++i) {
      const auto k = static_cast<size_t>(i);
      sum += read(run.operands[0], left[k]) * read(run.operands[1], right[k]);
      if ((first + i + 1) % inner == 0) finish((first + i) / inner);
    }
  }
}

}  // namespace

void run_contract(NodeRun& run) {
  const DType dtype = run.operands[0].dtype;
  if (is_complex(dtype)) {
    contract<Complex>(
        run, [](const Reader& from, int64_t i) { return read_complex(from.dtype, from.at(i)); },
        [](const Writer& to, int64_t i, Complex v) { write_complex(to.dtype, to.at(i), v); });
  } else if (is_integral(dtype)) {
    contract<uint64_t>(
        run,
        [](const Reader& from, int64_t i) {
          return static_cast<uint64_t>(read_integer(from.dtype, from.at(i)));
        },
        [](const Writer& to, int64_t i, uint64_t v) {
          write_integer(to.dtype, to.at(i), static_cast<int64_t>(v));
        });
  } else {
    contract<double>(
        run, [](const Reader& from, int64_t i) { return read_real(from.dtype, from.at(i)); },
        [](const Writer& to, int64_t i, double v) { write_real(to.dtype, to.at(i), v); });
  }
}

}  // namespace trireme::graph
