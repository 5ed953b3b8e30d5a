// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "trireme/compile/kernel/kernel.h"
#include "trireme/graph/ir/scalar_type.h"

namespace trireme::compile {
namespace {

using Wrong = std::optional<std::string>;

std::string named(const char* what, uint32_t number) { return what + std::to_string(number); }

// What is known at a statement: copied where a block begins, so that its own ends with it.
class Scope {
 public:
  explicit Scope(const Kernel& kernel) : kernel_(kernel) {}

  Wrong loop(const Loop& loop) const {
    if (loop.id >= kernel_.loops) return named("no such loop: i", loop.id);
    if (loops_.contains(loop.id)) return named("a loop inside of itself: i", loop.id);
    if (auto wrong = extent(loop.count)) return wrong;
    const bool vector = loop.kind == LoopKind::Vector;
    if (vector && in_vector_) return named("a vector loop inside of another: i", loop.id);
    Scope inner = *this;
    inner.loops_.insert(loop.id);
    inner.in_vector_ = in_vector_ || vector;
    for (const Statement& statement : loop.body) {
      auto wrong = std::visit([&](const auto& one) { return inner.check(one); }, statement.is);
      if (wrong) return wrong;
    }
    return {};
  }

 private:
  Wrong check(const Loop& inner) const { return loop(inner); }

  Wrong check(const Compute& compute) {
    std::vector<DType> types;
    for (size_t i = 0; i < graph::arity(compute.op); ++i) {
      if (auto wrong = reads(compute.args[i])) return wrong;
      types.push_back(registers_.at(compute.args[i]));
    }
    if (compute.op == ScalarOp::Number) {
      if (compute.index >= kernel_.numbers.size()) return named("no such number: n", compute.index);
    } else if (types.empty() && compute.op != ScalarOp::Constant) {
      return std::string(graph::name_of(compute.op)) + " is no leaf of a kernel";
    } else if (!types.empty() && compute.op != ScalarOp::Cast &&
               graph::result_type(compute.op, types) != compute.dtype) {
      return std::string(graph::name_of(compute.op)) + " does not give " +
             std::string(graph::name_of(compute.dtype)) +
             named(" of such arguments: r", compute.to);
    }
    return writes(compute.to, compute.dtype);
  }

  Wrong check(const Affine& affine) {
    if (auto wrong = index(affine.index)) return wrong;
    return writes(affine.to, DType::Int64);
  }

  Wrong check(const Draw& draw) {
    if (draw.random >= kernel_.randoms) return named("no such random parameter: ", draw.random);
    if (auto wrong = reads(draw.position)) return wrong;
    if (registers_.at(draw.position) != DType::Int64) {
      return named("a position that is not i64: r", draw.position);
    }
    for (size_t i = 0; i < parameter_count(draw.distribution); ++i) {
      if (auto wrong = reads(draw.parameters[i])) return wrong;
      if (registers_.at(draw.parameters[i]) != DType::Float64) {
        return named("a parameter that is not f64: r", draw.parameters[i]);
      }
    }
    const bool discrete = draw.distribution == graph::Distribution::Bernoulli ||
                          draw.distribution == graph::Distribution::Integer;
    if (graph::is_complex(draw.dtype) || (!discrete && !graph::is_floating(draw.dtype))) {
      return named("a draw of a dtype that it cannot have: r", draw.to);
    }
    return writes(draw.to, draw.dtype);
  }

  Wrong check(const Load& load) {
    if (auto wrong = place(load.from)) return wrong;
    if (auto wrong = mask(load.mask)) return wrong;
    return writes(load.to, dtype_of(load.from));
  }

  Wrong check(const Store& store) {
    if (auto wrong = place(store.to)) return wrong;
    if (auto wrong = mask(store.mask)) return wrong;
    if (auto wrong = reads(store.value)) return wrong;
    if (registers_.at(store.value) != dtype_of(store.to)) {
      return named("a store of another dtype: r", store.value);
    }
    const bool buffer = store.to.kind == Place::Kind::Buffer;
    if (buffer && !kernel_.buffers[store.to.number].written) {
      return named("a store to a buffer that is not written: b", store.to.number);
    }
    return {};
  }

  Wrong check(const Declare& declare) {
    if (declare.accumulator >= kernel_.accumulators) {
      return named("no such accumulator: a", declare.accumulator);
    }
    if (declare.op == ReduceOp::Any || declare.op == ReduceOp::All) {
      if (declare.dtype != DType::Bool) return named("not of bool: a", declare.accumulator);
    }
    if (declare.op == ReduceOp::Welford || declare.op == ReduceOp::LogSumExp) {
      if (!graph::is_floating(declare.dtype)) return named("not real: a", declare.accumulator);
    }
    accumulators_[declare.accumulator] = {declare.op, declare.dtype};
    return {};
  }

  Wrong check(const Update& update) {
    const auto found = accumulators_.find(update.accumulator);
    if (found == accumulators_.end()) return named("not declared: a", update.accumulator);
    if (auto wrong = reads(update.value)) return wrong;
    const auto [op, dtype] = found->second;
    if (registers_.at(update.value) != dtype) {
      return named("an update of another dtype: r", update.value);
    }
    const bool arg = op == ReduceOp::ArgMaximum || op == ReduceOp::ArgMinimum;
    if (arg != update.position.has_value()) {
      return named("a position that is missing, or too much: a", update.accumulator);
    }
    if (!arg) return {};
    if (auto wrong = reads(*update.position)) return wrong;
    if (registers_.at(*update.position) != DType::Int64) {
      return named("a position that is not i64: r", *update.position);
    }
    return {};
  }

  Wrong check(const Read& read) {
    const auto found = accumulators_.find(read.accumulator);
    if (found == accumulators_.end()) return named("not declared: a", read.accumulator);
    const auto [op, dtype] = found->second;
    if (read.second && op != ReduceOp::Welford) {
      return named("no second result: a", read.accumulator);
    }
    const bool arg = op == ReduceOp::ArgMaximum || op == ReduceOp::ArgMinimum;
    if (read.second) {
      if (auto wrong = writes(*read.second, dtype)) return wrong;
    }
    return writes(read.to, arg ? DType::Int64 : dtype);
  }

  Wrong reads(RegisterId number) const {
    if (!registers_.contains(number)) return named("not computed: r", number);
    return {};
  }

  Wrong writes(RegisterId number, DType dtype) {
    if (number >= kernel_.registers) return named("no such register: r", number);
    if (!registers_.emplace(number, dtype).second) return named("computed twice: r", number);
    return {};
  }

  Wrong mask(const std::optional<RegisterId>& mask) const {
    if (!mask) return {};
    if (auto wrong = reads(*mask)) return wrong;
    if (registers_.at(*mask) != DType::Bool) return named("a mask that is not bool: r", *mask);
    return {};
  }

  Wrong extent(const Extent& value) const {
    for (const Extent::Term& term : value.terms()) {
      for (const graph::SymbolId symbol : term.symbols) {
        if (symbol >= kernel_.symbols) return named("no such symbol: s", symbol);
      }
    }
    return {};
  }

  Wrong index(const Index& at) const {
    if (auto wrong = extent(at.offset)) return wrong;
    for (const auto& term : at.loops) {
      if (!loops_.contains(term.loop)) return named("not inside of loop i", term.loop);
      if (auto wrong = extent(term.stride)) return wrong;
    }
    for (const auto& term : at.registers) {
      if (auto wrong = reads(term.value)) return wrong;
      if (!graph::is_integral(registers_.at(term.value))) {
        return named("an index that is not integral: r", term.value);
      }
      if (auto wrong = extent(term.stride)) return wrong;
    }
    return {};
  }

  Wrong place(const Place& place) const {
    const bool buffer = place.kind == Place::Kind::Buffer;
    const size_t count = buffer ? kernel_.buffers.size() : kernel_.scratch.size();
    if (place.number >= count) {
      return named(buffer ? "no such buffer: b" : "no such scratch array: t", place.number);
    }
    return index(place.index);
  }

  DType dtype_of(const Place& place) const {
    return place.kind == Place::Kind::Buffer ? kernel_.buffers[place.number].dtype
                                             : kernel_.scratch[place.number].dtype;
  }

  const Kernel& kernel_;
  std::map<RegisterId, DType> registers_;
  std::map<AccumulatorId, std::pair<ReduceOp, DType>> accumulators_;
  std::set<LoopId> loops_;
  bool in_vector_ = false;
};

}  // namespace

std::optional<std::string> verify(const Kernel& kernel) {
  if (kernel.name.empty()) return "it has no name";
  for (const Loop& loop : kernel.body) {
    if (auto wrong = Scope(kernel).loop(loop)) return wrong;
  }
  return {};
}

}  // namespace trireme::compile
