// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/plan/sharing.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace trireme::compile {
namespace {

bool known(const Index& index) { return index.registers.empty(); }

// Strides of an index along these loops, with their trips; those of stride 0 left out.
using Steps = std::vector<std::pair<Extent, Extent>>;
Steps steps_of(const Index& index, std::span<const Loop* const> loops) {
  Steps steps;
  for (const Loop* loop : loops) {
    for (const auto& term : index.loops) {
      if (term.loop == loop->id && !term.stride.is(0) && !loop->count.is(1)) {
        steps.emplace_back(term.stride, loop->count);
      }
    }
  }
  return steps;
}

bool same_steps(const Steps& left, Steps right) {
  for (const auto& step : left) {
    const auto found = std::ranges::find(right, step);
    if (found == right.end()) return false;
    right.erase(found);
  }
  return right.empty();
}

}  // namespace

Sharing::Sharing(const Kernel& kernel) : kernel_(kernel), buffers_(kernel.buffers.size()) {
  for (const Loop& loop : kernel.body) visit(loop);
}

void Sharing::visit(const Loop& loop) {
  loops_.push_back(&loop);
  for (const Statement& statement : loop.body) {
    ++position_;
    if (const auto* inner = std::get_if<Loop>(&statement.is)) visit(*inner);
    const auto note = [&](const Place& place, std::vector<Access> Buffer::*list) {
      if (place.kind != Place::Kind::Buffer) return;
      (buffers_[place.number].*list).push_back({&place.index, loops_, position_});
    };
    if (const auto* load = std::get_if<Load>(&statement.is)) note(load->from, &Buffer::loads);
    if (const auto* store = std::get_if<Store>(&statement.is)) note(store->to, &Buffer::stores);
  }
  loops_.pop_back();
}

// Whether the load touches, within each point of the loops that both are in, what the store writes
// in that point.
bool Sharing::same_elements(const Access& load, const Access& store) {
  if (!known(*load.index) || !known(*store.index)) return false;
  if (!(load.index->offset == store.index->offset)) return false;
  size_t common = 0;
  while (common < load.loops.size() && common < store.loops.size() &&
         load.loops[common] == store.loops[common]) {
    ++common;
  }
  if (common == 0) return false;  // points of the range, which run in any order
  const auto outer = std::span(load.loops).first(common);
  for (const Loop* loop : outer) {
    const Loop* const one[] = {loop};
    if (!same_steps(steps_of(*load.index, one), steps_of(*store.index, one))) return false;
  }
  return same_steps(steps_of(*load.index, std::span(load.loops).subspan(common)),
                    steps_of(*store.index, std::span(store.loops).subspan(common)));
}

bool Sharing::may_take_place(uint32_t read, uint32_t written) const {
  if (graph::size_of(kernel_.buffers[read].dtype) !=
      graph::size_of(kernel_.buffers[written].dtype)) {
    return false;
  }
  const Buffer& from = buffers_[read];
  const Buffer& to = buffers_[written];
  if (!from.stores.empty() || !to.loads.empty() || to.stores.size() != 1) return false;
  const Access& store = to.stores[0];
  return std::ranges::all_of(from.loads, [&](const Access& load) {
    return load.position < store.position && same_elements(load, store);
  });
}

}  // namespace trireme::compile
