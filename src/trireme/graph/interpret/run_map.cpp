// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "trireme/graph/interpret/evaluator.h"
#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {

void run_map(NodeRun& run, const Map& map) {
  Points points(run.dims);
  Evaluator evaluator(map.expression, run.operands, run.inputs.numbers);
  std::vector<int64_t> elements;
  for (int64_t first = 0; first < points.count(); first += Points::kBlock) {
    points.move_to(first, std::min(Points::kBlock, points.count() - first));
    evaluator.evaluate(points);
    for (size_t k = 0; k < run.results.size(); ++k) {
      const Writer& to = run.results[k];
      const Column& from = evaluator.root(k);
      points.locate(to.layout, elements);
      for (size_t i = 0; i < elements.size(); ++i) {
        std::byte* at = to.at(elements[i]);
        if (is_complex(to.dtype)) {
          write_complex(to.dtype, at, from.complexes[i]);
        } else if (is_integral(to.dtype)) {
          write_integer(to.dtype, at, from.integers[i]);
        } else {
          write_real(to.dtype, at, from.reals[i]);
        }
      }
    }
  }
}

}  // namespace trireme::graph
