// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/check/verify.h"

#include <algorithm>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "trireme/graph/check/node_check.h"
#include "trireme/graph/text/numbered_name.h"

namespace trireme::graph {
namespace {

std::string name(ValueId value) {
  return value == kNoValue ? "no value" : numbered_name("%", value);
}

// --- every value is made once, and before it is read ---

class Order {
 public:
  Order(const Graph& graph, std::vector<std::string>& problems)
      : graph_(graph), problems_(problems), made_(graph.values.size(), false) {}

  void make(ValueId value, const std::string& where) {
    if (!exists(value, where)) return;
    if (made_[value]) problems_.push_back(where + ": " + name(value) + " is made a second time");
    made_[value] = true;
  }
  void read(ValueId value, const std::string& where) {
    if (!exists(value, where) || made_[value]) return;
    problems_.push_back(where + ": reads " + name(value) + ", which no node above makes");
  }

 private:
  bool exists(ValueId value, const std::string& where) {
    if (value < made_.size()) return true;
    problems_.push_back(where + ": names " + name(value) + ", which the graph lacks");
    return false;
  }

  const Graph& graph_;
  std::vector<std::string>& problems_;
  std::vector<bool> made_;
};

std::string where(const Graph& graph, size_t number) {
  const Node& node = graph.nodes[number];
  return "node " + std::to_string(number) + " (" + std::string(name_of(node.primitive)) +
         ", call " + std::to_string(node.call) + ")";
}

void check_order(const Graph& graph, std::vector<std::string>& problems) {
  Order order(graph, problems);
  for (const ValueId input : graph.inputs) order.make(input, "inputs");
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (const Operand& operand : node.operands) order.read(operand.value, where(graph, n));
    for (const Result& result : node.results) {
      if (result.base != kNoValue) order.read(result.base, where(graph, n) + ", a base");
    }
    for (const Result& result : node.results) order.make(result.value, where(graph, n));
  }
  for (const Output& output : graph.outputs) order.read(output.value, "outputs");
}

void check_outputs(const Graph& graph, std::vector<std::string>& problems) {
  std::set<uint32_t> replaced;
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const auto& input = graph.outputs[i].input;
    if (!input) continue;
    const std::string what =
        "output " + std::to_string(i) + ": replaces input " + std::to_string(*input) + ", which ";
    if (*input >= graph.inputs.size()) problems.push_back(what + "the graph lacks");
    if (!replaced.insert(*input).second) problems.push_back(what + "another output replaces");
  }
}

void check_numbers(const Graph& graph, std::vector<std::string>& problems) {
  for (size_t i = 0; i < graph.numbers.size(); ++i) {
    const DType dtype = graph.numbers[i];
    if (dtype == DType::Int64 || dtype == DType::Float64 || dtype == DType::Bool ||
        dtype == DType::Complex128) {
      continue;
    }
    problems.push_back("number n" + std::to_string(i) + ": is " + std::string(name_of(dtype)) +
                       ", expected i64, f64, bool or c128");
  }
}

// --- all symbols are the graph's ---

class Symbols {
 public:
  explicit Symbols(uint32_t count) : count_(count) {}

  bool known(const Extent& extent) const {
    return std::ranges::all_of(extent.terms(), [&](const Extent::Term& term) {
      return std::ranges::all_of(term.symbols, [&](SymbolId id) { return id < count_; });
    });
  }
  bool known(const Extents& extents) const {
    return std::ranges::all_of(extents, [&](const Extent& extent) { return known(extent); });
  }
  bool known(const View& view) const {
    return known(view.sizes) && known(view.strides) && known(view.offset);
  }
  bool known(const std::vector<IndexedDim>& indexed) const {
    return std::ranges::all_of(
        indexed, [&](const IndexedDim& dim) { return known(dim.stride) && known(dim.bound); });
  }
  bool known(const Node& node) const {
    const auto access = [&](const auto& part) { return known(part.view); };
    return known(node.dims) && std::ranges::all_of(node.operands, access) &&
           std::ranges::all_of(node.results, access) && known_attributes(node);
  }

 private:
  bool known_attributes(const Node& node) const {
    if (const auto* c = node.as<Convolve>()) {
      return known(c->stride) && known(c->padding) && known(c->dilation) &&
             known(c->output_padding) && known(c->groups);
    }
    if (const auto* gather = node.as<Gather>()) return known(gather->indexed);
    if (const auto* scatter = node.as<Scatter>()) return known(scatter->indexed);
    const auto* sort = node.as<Sort>();
    return sort == nullptr || !sort->take || known(*sort->take);
  }

  uint32_t count_;
};

void check_symbols(const Graph& graph, std::vector<std::string>& problems) {
  const Symbols symbols(graph.symbols);
  const std::string what = ": names a symbol that the graph lacks";
  for (ValueId value = 0; value < graph.values.size(); ++value) {
    if (!symbols.known(graph.values[value].count)) problems.push_back(name(value) + what);
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!symbols.known(graph.nodes[n])) problems.push_back(where(graph, n) + what);
  }
}

}  // namespace

NodeCheck::NodeCheck(const Graph& graph, size_t number, std::vector<std::string>& problems)
    : graph_(graph), node_(graph.nodes[number]), where_(where(graph, number)), problems_(problems) {
  const size_t rank = std::min<size_t>(node_.parallel, node_.dims.size());
  parallel_ = {node_.dims.begin(), node_.dims.begin() + static_cast<ptrdiff_t>(rank)};
}

bool NodeCheck::expect(bool holds, const std::string& what) {
  if (!holds) problems_.push_back(where_ + ": " + what);
  return holds;
}

bool NodeCheck::expect_operand(size_t operand, bool holds, const std::string& what) {
  if (!holds) problems_.push_back(where_ + ", operand " + std::to_string(operand) + ": " + what);
  return holds;
}

bool NodeCheck::expect_result(size_t result, bool holds, const std::string& what) {
  if (!holds) problems_.push_back(where_ + ", result " + std::to_string(result) + ": " + what);
  return holds;
}

std::vector<std::string> verify(const Graph& graph) {
  std::vector<std::string> problems;
  check_order(graph, problems);
  check_outputs(graph, problems);
  check_numbers(graph, problems);
  check_symbols(graph, problems);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    NodeCheck check(graph, n, problems);
    if (!check.expect(graph.nodes[n].parallel <= graph.nodes[n].dims.size(),
                      "more parallel dimensions than dimensions")) {
      continue;
    }
    check_accesses(check);
    check_primitive(check);
  }
  return problems;
}

}  // namespace trireme::graph
