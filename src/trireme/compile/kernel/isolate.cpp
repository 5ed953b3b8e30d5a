// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/kernel/isolate.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace trireme::compile {
namespace {

// New numbers, in the order in which they are asked for.
class Numbering {
 public:
  uint32_t operator()(uint32_t old) {
    const auto [found, added] = numbers_.try_emplace(old, static_cast<uint32_t>(order_.size()));
    if (added) order_.push_back(old);
    return found->second;
  }
  const std::vector<uint32_t>& order() const { return order_; }

 private:
  std::unordered_map<uint32_t, uint32_t> numbers_;
  std::vector<uint32_t> order_;
};

// The numbers that occur, as a range.
struct Span {
  uint32_t low = UINT32_MAX;
  uint32_t high = 0;

  void add(uint32_t number) {
    low = std::min(low, number);
    high = std::max(high, number + 1);
  }
  uint32_t first() const { return low < high ? low : 0; }
};

class Isolation {
 public:
  Span numbers;
  Span scratch;
  bool draws = false;

  void find(const Loop& loop) {
    for (const Statement& statement : loop.body) {
      if (const auto* inner = std::get_if<Loop>(&statement.is)) find(*inner);
      if (const auto* load = std::get_if<Load>(&statement.is)) find(load->from);
      if (const auto* store = std::get_if<Store>(&statement.is)) find(store->to);
      if (std::holds_alternative<Draw>(statement.is)) draws = true;
      const auto* compute = std::get_if<Compute>(&statement.is);
      if (compute != nullptr && compute->op == ScalarOp::Number) numbers.add(compute->index);
    }
  }

  void apply(Loop& loop) {
    loop.id = loops_(loop.id);
    for (Statement& statement : loop.body) {
      std::visit([&](auto& one) { apply(one); }, statement.is);
    }
  }

  void finish(IsolatedLoop& isolated) const {
    isolated.buffers = buffers_.order();
    isolated.kernel.registers = static_cast<uint32_t>(registers_.order().size());
    isolated.kernel.loops = static_cast<uint32_t>(loops_.order().size());
    isolated.kernel.accumulators = static_cast<uint32_t>(accumulators_.order().size());
  }

 private:
  void find(const Place& place) {
    if (place.kind == Place::Kind::Scratch) scratch.add(place.number);
  }

  void apply(Index& index) {
    for (auto& term : index.loops) term.loop = loops_(term.loop);
    for (auto& term : index.registers) term.value = registers_(term.value);
  }
  void apply(Place& place) {
    place.number =
        place.kind == Place::Kind::Buffer ? buffers_(place.number) : place.number - scratch.first();
    apply(place.index);
  }
  void apply(std::optional<RegisterId>& at) {
    if (at) at = registers_(*at);
  }
  void apply(Compute& one) {
    one.to = registers_(one.to);
    if (one.op == ScalarOp::Number) one.index -= numbers.first();
    for (size_t i = 0; i < graph::arity(one.op); ++i) one.args[i] = registers_(one.args[i]);
  }
  void apply(Affine& one) {
    one.to = registers_(one.to);
    apply(one.index);
  }
  void apply(Draw& /*one*/) {}  // such loops are not isolated
  void apply(Load& one) {
    one.to = registers_(one.to);
    apply(one.from);
    apply(one.mask);
  }
  void apply(Store& one) {
    one.value = registers_(one.value);
    apply(one.to);
    apply(one.mask);
  }
  void apply(Declare& one) { one.accumulator = accumulators_(one.accumulator); }
  void apply(Update& one) {
    one.accumulator = accumulators_(one.accumulator);
    one.value = registers_(one.value);
    apply(one.position);
  }
  void apply(Read& one) {
    one.accumulator = accumulators_(one.accumulator);
    one.to = registers_(one.to);
    apply(one.second);
  }

  Numbering registers_;
  Numbering loops_;
  Numbering accumulators_;
  Numbering buffers_;
};

}  // namespace

std::optional<IsolatedLoop> isolate(const Kernel& kernel, const Loop& loop) {
  Isolation isolation;
  isolation.find(loop);
  if (isolation.draws) return std::nullopt;
  IsolatedLoop isolated;
  Loop body = loop;
  isolation.apply(body);
  body.count = Extent::symbol(kernel.symbols);
  isolated.kernel.body.push_back(std::move(body));
  isolation.finish(isolated);
  for (const uint32_t buffer : isolated.buffers) {
    isolated.kernel.buffers.push_back(kernel.buffers[buffer]);
  }
  isolated.first_number = isolation.numbers.first();
  for (uint32_t i = isolated.first_number; i < isolation.numbers.high; ++i) {
    isolated.kernel.numbers.push_back(kernel.numbers[i]);
  }
  isolated.first_scratch = isolation.scratch.first();
  for (uint32_t i = isolated.first_scratch; i < isolation.scratch.high; ++i) {
    isolated.kernel.scratch.push_back(kernel.scratch[i]);
  }
  isolated.kernel.symbols = kernel.symbols + 1;
  return isolated;
}

}  // namespace trireme::compile
