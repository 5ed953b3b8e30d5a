// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/merge.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

namespace trireme::compile {
namespace {

// Adds one kernel's numbering to another's.
class Shift {
 public:
  explicit Shift(const Kernel& into)
      : buffers_(static_cast<uint32_t>(into.buffers.size())),
        numbers_(static_cast<uint32_t>(into.numbers.size())),
        randoms_(into.randoms),
        scratch_(static_cast<uint32_t>(into.scratch.size())),
        registers_(into.registers),
        loops_(into.loops),
        accumulators_(into.accumulators) {}

  void apply(std::vector<Statement>& body) const {
    for (Statement& statement : body) std::visit([&](auto& one) { apply(one); }, statement.is);
  }
  void apply(Loop& loop) const {
    loop.id += loops_;
    apply(loop.body);
  }

 private:
  void apply(Index& index) const {
    for (auto& term : index.loops) term.loop += loops_;
    for (auto& term : index.registers) term.value += registers_;
  }
  void apply(Place& place) const {
    place.number += place.kind == Place::Kind::Buffer ? buffers_ : scratch_;
    apply(place.index);
  }
  void apply(std::optional<RegisterId>& at) const {
    if (at) *at += registers_;
  }
  void apply(Compute& one) const {
    one.to += registers_;
    if (one.op == ScalarOp::Number) one.index += numbers_;
    for (size_t i = 0; i < graph::arity(one.op); ++i) one.args[i] += registers_;
  }
  void apply(Affine& one) const {
    one.to += registers_;
    apply(one.index);
  }
  void apply(Draw& one) const {
    one.to += registers_;
    one.random += randoms_;
    one.position += registers_;
    for (RegisterId& parameter : one.parameters) parameter += registers_;
  }
  void apply(Load& one) const {
    one.to += registers_;
    apply(one.from);
    apply(one.mask);
  }
  void apply(Store& one) const {
    one.value += registers_;
    apply(one.to);
    apply(one.mask);
  }
  void apply(Declare& one) const { one.accumulator += accumulators_; }
  void apply(Update& one) const {
    one.accumulator += accumulators_;
    one.value += registers_;
    apply(one.position);
  }
  void apply(Read& one) const {
    one.accumulator += accumulators_;
    one.to += registers_;
    apply(one.second);
  }

  uint32_t buffers_;
  uint32_t numbers_;
  uint32_t randoms_;
  uint32_t scratch_;
  uint32_t registers_;
  uint32_t loops_;
  uint32_t accumulators_;
};

}  // namespace

ClusterKernel merge_kernels(std::vector<ClusterKernel> kernels) {
  ClusterKernel all = std::move(kernels.front());
  for (size_t i = 1; i < kernels.size(); ++i) {
    Kernel& next = kernels[i].kernel;
    const Shift shift(all.kernel);
    for (Loop& loop : next.body) {
      shift.apply(loop);
      all.kernel.body.push_back(std::move(loop));
    }
    std::ranges::move(next.buffers, std::back_inserter(all.kernel.buffers));
    std::ranges::move(next.numbers, std::back_inserter(all.kernel.numbers));
    std::ranges::move(next.scratch, std::back_inserter(all.kernel.scratch));
    std::ranges::move(kernels[i].buffers, std::back_inserter(all.buffers));
    std::ranges::move(kernels[i].numbers, std::back_inserter(all.numbers));
    std::ranges::move(kernels[i].randoms, std::back_inserter(all.randoms));
    std::ranges::move(kernels[i].checks, std::back_inserter(all.checks));
    all.kernel.randoms += next.randoms;
    all.kernel.registers += next.registers;
    all.kernel.loops += next.loops;
    all.kernel.accumulators += next.accumulators;
  }
  return all;
}

}  // namespace trireme::compile
