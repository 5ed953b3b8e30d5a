// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/channels_last.h"

#include <array>
#include <utility>

namespace trireme::compile {
namespace {

using graph::Extent;
using graph::View;

enum Along : uint8_t { Images, Channels, Plane };

// A dimension's part of an element's place, or the offset's.
struct Step {
  Along along = Images;
  int64_t count = 0;  // channels, or elements of the plane
};

// None: the stride varies, or runs backwards.
std::optional<Step> step_of(const Extent& stride, const ChannelsLast& layout) {
  if (stride.divided_by(layout.image())) return Step{};
  const auto value = stride.constant();
  if (!value || *value < 0) return std::nullopt;
  if (*value % layout.plane == 0) return Step{Channels, *value / layout.plane};
  return Step{Plane, *value};
}

Extent moved_stride(const Extent& stride, const Step& step, const ChannelsLast& layout) {
  if (step.along == Images) return stride;
  return step.along == Channels ? step.count : step.count * layout.channels;
}

}  // namespace

Moved move_channels(View& view, std::span<const Moves> moves, const ChannelsLast& layout) {
  const std::array<int64_t, 3> room = {INT64_MAX, layout.channels, layout.plane};
  Extent images = 0;
  std::array<int64_t, 3> most = {0, 0, 0};  // the largest coordinate
  if (view.offset.divided_by(layout.image())) {
    images = view.offset;
  } else {
    const auto offset = view.offset.constant();
    if (!offset || *offset < 0) return {};
    images = *offset / layout.image() * layout.image();
    most[Channels] = *offset % layout.image() / layout.plane;
    most[Plane] = *offset % layout.plane;
  }
  const Extent offset = images + most[Channels] + most[Plane] * layout.channels;

  std::vector<Step> steps;
  std::array<int64_t, 3> longest = {0, 0, 0};
  std::array<uint32_t, 3> longest_dim = {0, 0, 0};
  const auto note = [&](const Extent& stride, const Extent& size) {
    const auto step = step_of(stride, layout);
    if (!step) return false;
    steps.push_back(*step);
    if (step->along == Images || size.is(1)) return true;
    const auto count = size.constant();
    if (!count) return false;
    const int64_t reach = step->count * (*count - 1);
    most[step->along] += reach;
    if (reach > longest[step->along]) {
      longest[step->along] = reach;
      longest_dim[step->along] = static_cast<uint32_t>(steps.size() - 1);
    }
    return true;
  };
  for (size_t i = 0; i < view.rank(); ++i) {
    if (!note(view.strides[i], view.sizes[i])) return {};
  }
  for (const Moves& move : moves) {
    if (!note(*move.stride, move.bound)) return {};
  }
  for (const Along along : {Plane, Channels}) {
    if (most[along] < room[along]) continue;
    const uint32_t dim = longest_dim[along];
    if (dim >= view.rank() || room[along] % steps[dim].count != 0) return {};
    const int64_t inner = room[along] / steps[dim].count;
    const int64_t size = *view.sizes[dim].constant();
    if (inner < 2 || size <= inner || size % inner != 0) return {};
    return {false, SplitNeeded{dim, inner}};
  }
  for (size_t i = 0; i < view.rank(); ++i) {
    view.strides[i] = moved_stride(view.strides[i], steps[i], layout);
  }
  for (size_t i = 0; i < moves.size(); ++i) {
    *moves[i].stride = moved_stride(*moves[i].stride, steps[view.rank() + i], layout);
  }
  view.offset = offset;
  return {true, {}};
}

}  // namespace trireme::compile
