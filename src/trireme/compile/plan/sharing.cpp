// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/plan/sharing.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace trireme::compile {
namespace {

// One load or store, with the loops around it, outermost first.
struct Access {
  const Index* index = nullptr;
  std::vector<const Loop*> loops;
};

struct Finder {
  uint32_t read;
  uint32_t written;
  std::vector<const Loop*> loops{};
  std::vector<Access> loads{};
  std::optional<Access> store{};
  bool legal = true;

  static bool is(const Place& place, uint32_t buffer) {
    return place.kind == Place::Kind::Buffer && place.number == buffer;
  }

  void visit(const Loop& loop) {
    loops.push_back(&loop);
    for (const Statement& statement : loop.body) {
      if (const auto* inner = std::get_if<Loop>(&statement.is)) visit(*inner);
      if (const auto* load = std::get_if<Load>(&statement.is)) {
        if (is(load->from, written)) legal = false;
        if (!is(load->from, read)) continue;
        if (store) legal = false;  // read again after it was written
        loads.push_back({&load->from.index, loops});
      }
      if (const auto* one = std::get_if<Store>(&statement.is)) {
        if (is(one->to, read)) legal = false;
        if (!is(one->to, written)) continue;
        if (store) legal = false;
        store = {&one->to.index, loops};
      }
    }
    loops.pop_back();
  }
};

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

// Whether the load touches, within each point of the loops that both are in, what the store writes
// in that point.
bool same_elements(const Access& load, const Access& store) {
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

}  // namespace

bool may_take_place(const Kernel& kernel, uint32_t read, uint32_t written) {
  if (graph::size_of(kernel.buffers[read].dtype) != graph::size_of(kernel.buffers[written].dtype)) {
    return false;
  }
  Finder finder{read, written};
  for (const Loop& loop : kernel.body) finder.visit(loop);
  if (!finder.legal || !finder.store) return false;
  return std::ranges::all_of(
      finder.loads, [&](const Access& load) { return same_elements(load, *finder.store); });
}

}  // namespace trireme::compile
