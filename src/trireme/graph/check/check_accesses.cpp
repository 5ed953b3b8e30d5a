// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "trireme/graph/check/node_check.h"
#include "trireme/graph/check/view_bounds.h"

namespace trireme::graph {
namespace {

// Elements of `dtype` that the value has room for; none: it depends on a symbol.
std::optional<Wide> capacity(const Value& value, DType dtype) {
  const auto count = value.count.constant();
  if (!count) return std::nullopt;
  return Wide{*count} * size_of(value.dtype) / size_of(dtype);
}

bool is_inside(const Value& value, DType dtype, const std::optional<Reach>& reach) {
  const auto room = capacity(value, dtype);
  return !reach || !room || reach->empty || (reach->low >= 0 && reach->high < *room);
}

std::span<const IndexedDim> indexed_of(const Node& node) {
  if (const auto* gather = node.as<Gather>()) return gather->indexed;
  if (const auto* scatter = node.as<Scatter>()) return scatter->indexed;
  return {};
}

void check_operand(NodeCheck& check, size_t k) {
  const Operand& operand = check.node().operands[k];
  const View& view = operand.view;
  const bool ranks = check.expect_operand(k, view.sizes.size() == view.strides.size(),
                                          "its view has not one stride per size");
  if (!ranks || operand.value >= check.graph().values.size()) return;
  const bool moved = k == 0 && check.node().as<Gather>() != nullptr;
  const auto reach = moved ? reach_of(view, indexed_of(check.node())) : reach_of(view);
  check.expect_operand(k, is_inside(check.graph().values[operand.value], operand.dtype, reach),
                       "its view leaves the value");
}

void check_base(NodeCheck& check, size_t k) {
  const Result& result = check.node().results[k];
  const auto& values = check.graph().values;
  if (result.base >= values.size() || result.value >= values.size()) return;
  const Value& value = values[result.value];
  const Value& base = values[result.base];
  check.expect_result(k, base.dtype == value.dtype, "its base has another dtype");
  check.expect_result(k, base.count == value.count, "its base has another count");
}

void check_result(NodeCheck& check, size_t k) {
  const Result& result = check.node().results[k];
  const View& view = result.view;
  const bool ranks = check.expect_result(k, view.sizes.size() == view.strides.size(),
                                         "its view has not one stride per size");
  if (!ranks || result.value >= check.graph().values.size()) return;
  const bool scatter = check.node().as<Scatter>() != nullptr;
  const auto reach = scatter ? reach_of(view, indexed_of(check.node())) : reach_of(view);
  check.expect_result(k, is_inside(check.graph().values[result.value], result.dtype, reach),
                      "its view leaves the value");
  check.expect_result(k, scatter || !repeats_elements(view),
                      "two points of its view write one element");
}

}  // namespace

void check_accesses(NodeCheck& check) {
  for (size_t k = 0; k < check.node().operands.size(); ++k) check_operand(check, k);
  for (size_t k = 0; k < check.node().results.size(); ++k) {
    check_result(check, k);
    check_base(check, k);
  }
}

}  // namespace trireme::graph
