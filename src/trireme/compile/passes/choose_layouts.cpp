// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/choose_layouts.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/compile/passes/channels_last.h"
#include "trireme/compile/passes/split_dim.h"

namespace trireme::compile {
namespace {

using graph::Convolve;
using graph::ConvolveKind;
using graph::Extent;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Uses;
using graph::ValueId;
using graph::View;

// Channels side by side are to fill a vector.
constexpr int64_t kFewChannels = 16;

bool walks_plainly(const Node& node) {
  return node.as<graph::Map>() != nullptr || node.as<graph::Reduce>() != nullptr ||
         node.as<graph::Gather>() != nullptr || node.as<graph::Scatter>() != nullptr;
}

bool may_move(const Node& node) {
  return walks_plainly(node) || node.as<graph::Random>() != nullptr ||
         node.as<Convolve>() != nullptr || node.as<graph::Contract>() != nullptr;
}

// What the view walks along channel by channel, and how many of them.
std::optional<size_t> channel_dim(const View& view, const ChannelsLast& layout) {
  for (size_t i = 0; i < view.rank(); ++i) {
    if (view.strides[i].is(layout.plane) && !view.sizes[i].is(1)) return i;
  }
  return std::nullopt;
}

// The layout of a value of which a view has its channels at dimension `dim`.
std::optional<ChannelsLast> layout_by(const View& view, size_t dim, const Extent& count) {
  const auto plane = view.strides[dim].constant();
  if (!plane || *plane < 2) return std::nullopt;
  std::optional<int64_t> image;  // the next larger stride
  for (size_t i = 0; i < view.rank(); ++i) {
    const auto stride = view.strides[i].constant();
    if (!stride || view.sizes[i].is(1) || *stride <= *plane) continue;
    if (!image || *stride < *image) image = *stride;
  }
  if (!image) image = count.constant();
  if (!image || *image % *plane != 0 || !count.divided_by(*image)) return std::nullopt;
  return ChannelsLast{*image / *plane, *plane};
}

class Chooser {
 public:
  explicit Chooser(Graph& graph)
      : graph_(graph), uses_(graph), may_(graph.values.size()), layout_(graph.values.size()) {}

  bool run() {
    find_movable();
    for (const Node& node : graph_.nodes) seed(node);
    while (!pending_.empty()) {
      const ValueId value = pending_.back();
      pending_.pop_back();
      spread(value);
    }
    drop_what_does_not_fit();
    bool changed = false;
    for (Node& node : graph_.nodes) {
      if (!touches(node)) continue;
      fit(node);
      changed = true;
    }
    return changed;
  }

 private:
  // Values that only this graph sees, and only through views of their own dtype.
  void find_movable() {
    for (ValueId value = 0; value < graph_.values.size(); ++value) {
      may_[value] = uses_.maker[value] != Uses::kNoNode && !uses_.leaves[value];
    }
    for (const Node& node : graph_.nodes) {
      const bool may = may_move(node);
      const auto check = [&](ValueId value, graph::DType dtype) {
        if (!may || graph_.values[value].dtype != dtype) may_[value] = false;
      };
      for (const auto& operand : node.operands) check(operand.value, operand.dtype);
      for (const auto& result : node.results) {
        check(result.value, result.dtype);
        if (result.base != kNoValue) check(result.base, result.dtype);
      }
    }
  }

  void choose(ValueId value, const std::optional<ChannelsLast>& layout) {
    if (!layout || layout_[value] || !may_[value]) return;
    if (layout->channels < kFewChannels || layout->plane < 2) return;
    layout_[value] = layout;
    pending_.push_back(value);
  }

  // What a convolution reads and makes, but for the weight.
  void seed(const Node& node) {
    const auto* convolve = node.as<Convolve>();
    if (convolve == nullptr) return;
    const auto activation = [&](ValueId value, const View& view) {
      if (!view.is_row_major() || !(view.element_count() == graph_.values[value].count)) return;
      const auto channels = view.sizes[1].constant();
      const auto plane = graph::product(std::span(view.sizes).subspan(2)).constant();
      if (channels && plane) choose(value, ChannelsLast{*channels, *plane});
    };
    activation(node.operands[0].value, node.operands[0].view);
    if (convolve->kind == ConvolveKind::GradWeight) {
      activation(node.operands[1].value, node.operands[1].view);
    } else {
      activation(node.results[0].value, node.results[0].view);
    }
  }

  // To what is made of the value, and what it is made of, channel for channel.
  void spread(ValueId value) {
    if (uses_.maker[value] != Uses::kNoNode) spread(value, graph_.nodes[uses_.maker[value]]);
    for (const auto& use : uses_.uses[value]) spread(value, graph_.nodes[use.node]);
  }

  void spread(ValueId value, const Node& node) {
    for (const auto& result : node.results) {
      if (result.base == value) choose(result.value, layout_[value]);
      if (result.base != kNoValue && result.value == value) choose(result.base, layout_[value]);
    }
    if (!walks_plainly(node)) return;
    const auto from = [&](ValueId id, const View& view) {
      if (id != value) return;
      if (const auto dim = channel_dim(view, *layout_[value])) spread(value, node, *dim);
    };
    for (const auto& operand : node.operands) from(operand.value, operand.view);
    for (const auto& result : node.results) from(result.value, result.view);
  }

  void spread(ValueId value, const Node& node, size_t dim) {
    const auto to = [&](ValueId id, const View& view) {
      if (id == value || dim >= view.rank()) return;
      const Extent& count = graph_.values[id].count;
      if (!(count == graph_.values[value].count)) {
        choose(id, layout_by(view, dim, count));
      } else if (view.strides[dim].is(layout_[value]->plane)) {
        choose(id, layout_[value]);
      }
    };
    for (const auto& operand : node.operands) to(operand.value, operand.view);
    for (const auto& result : node.results) to(result.value, result.view);
  }

  bool touches(const Node& node) const {
    const auto is_chosen = [&](const auto& one) { return layout_[one.value].has_value(); };
    return std::ranges::any_of(node.operands, is_chosen) ||
           std::ranges::any_of(node.results, is_chosen);
  }

  void drop_what_does_not_fit() {
    for (bool again = true; again;) {
      again = false;
      for (const Node& node : graph_.nodes) {
        for (const auto& result : node.results) {
          if (result.base == kNoValue || layout_[result.base] == layout_[result.value]) continue;
          layout_[result.base].reset();
          layout_[result.value].reset();
          again = true;
        }
        while (touches(node)) {
          Node moved = node;
          const ValueId culprit = fit(moved);
          if (culprit == kNoValue) break;
          layout_[culprit].reset();
          again = true;
        }
      }
    }
  }

  // Rewrites the node's views of what has been chosen. The value of which that cannot be done;
  // none: it has been done.
  ValueId fit(Node& node) const {
    for (bool split = true; split;) {
      split = false;
      const auto visit = [&](ValueId value, const View& view, std::span<const Moves> moves) {
        if (split || !layout_[value]) return true;
        View trial = view;
        std::vector<Extent> strides;
        std::vector<Moves> trials;
        for (const Moves& move : moves) strides.push_back(*move.stride);
        for (size_t i = 0; i < moves.size(); ++i) trials.push_back({&strides[i], moves[i].bound});
        const Moved moved = move_channels(trial, trials, *layout_[value]);
        if (moved.fits) return !runs_short(node, view, *layout_[value]);
        if (!moved.split) return false;
        split = true;
        return split_dim(node, moved.split->dim, moved.split->inner);
      };
      const ValueId culprit = visit_views(node, visit);
      if (culprit != kNoValue) return culprit;
    }
    visit_views(node, [&](ValueId value, View& view, std::span<const Moves> moves) {
      return !layout_[value] || move_channels(view, moves, *layout_[value]).fits;
    });
    return kNoValue;
  }

  // Whether a kernel would have few channels side by side.
  static bool runs_short(const Node& node, const View& view, const ChannelsLast& layout) {
    if (!walks_plainly(node)) return false;
    const auto dim = channel_dim(view, layout);
    if (!dim) return false;
    const auto count = view.sizes[*dim].constant();
    return !count || *count < kFewChannels;
  }

  // The first value of whose view `visit` says false.
  template <class Visit>
  static ValueId visit_views(Node& node, const Visit& visit) {
    std::vector<Moves> moves;
    const auto note = [&](auto* indexed) {
      if (indexed == nullptr) return;
      for (graph::IndexedDim& one : indexed->indexed) moves.push_back({&one.stride, one.bound});
    };
    note(node.as<graph::Gather>());
    note(node.as<graph::Scatter>());
    const bool gathers = node.as<graph::Gather>() != nullptr;
    const std::span<const Moves> none;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      auto& one = node.operands[i];
      if (!visit(one.value, one.view, gathers && i == 0 ? std::span<const Moves>(moves) : none)) {
        return one.value;
      }
    }
    for (auto& one : node.results) {
      if (!visit(one.value, one.view, gathers ? none : std::span<const Moves>(moves))) {
        return one.value;
      }
    }
    return kNoValue;
  }

  Graph& graph_;
  Uses uses_;
  std::vector<bool> may_;                            // by value: whether its layout is ours
  std::vector<std::optional<ChannelsLast>> layout_;  // by value: chosen
  std::vector<ValueId> pending_;
};

}  // namespace

bool choose_layouts(Graph& graph) { return Chooser(graph).run(); }

}  // namespace trireme::compile
