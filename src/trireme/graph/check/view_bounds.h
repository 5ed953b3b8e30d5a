// SPDX-License-Identifier: Apache-2.0
// Which elements a view reaches, where its sizes, strides and offset are constants.
#pragma once

#include <optional>
#include <span>

#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// Wide enough for any sum of products of sizes and strides that a graph may have.
using Wide = __int128;

struct Reach {
  bool empty = false;  // no element
  Wide low = 0;        // the first and the last element
  Wide high = 0;
};

// None: it depends on a symbol.
std::optional<Reach> reach_of(const View& view);
// The same when every index, of all that lie within their bounds, may move the view.
std::optional<Reach> reach_of(const View& view, std::span<const IndexedDim> indexed);

// Whether two points have one element. No, too, where it cannot be told cheaply: sizes that depend
// on symbols, or a large view whose dimensions interleave.
bool repeats_elements(const View& view);

}  // namespace trireme::graph
