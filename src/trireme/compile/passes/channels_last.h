// SPDX-License-Identifier: Apache-2.0
// Views of values whose channels move from before the plane to behind it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Of a value [rest, channels, plane], row-major: where its element (n, c, p) is to lie instead, as
// [rest, plane, channels].
struct ChannelsLast {
  int64_t channels = 1;
  int64_t plane = 1;  // elements of a channel: height * width

  int64_t image() const { return channels * plane; }
  bool operator==(const ChannelsLast&) const = default;
};

// How far an index from elsewhere (of a Gather or Scatter) moves an element: like a dimension.
struct Moves {
  graph::Extent* stride = nullptr;
  graph::Extent bound = 1;
};

struct SplitNeeded {
  uint32_t dim = 0;
  int64_t inner = 1;
};

struct Moved {
  bool fits = false;                   // the view has been changed
  std::optional<SplitNeeded> split{};  // else: it would fit with this dimension as two
};

// Makes the view find the elements where they are to lie; `moves` as well. It fits where each of
// its dimensions walks along whole images, channels or the plane and never from one channel into
// the next.
Moved move_channels(graph::View& view, std::span<const Moves> moves, const ChannelsLast& layout);

}  // namespace trireme::compile
