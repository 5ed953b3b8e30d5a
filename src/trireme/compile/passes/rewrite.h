// SPDX-License-Identifier: Apache-2.0
// Rewriting of scalar expressions and of values: what the passes share.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// The expression of a Map or Reduce; null of any other node.
graph::Expression* expression_of(graph::Node& node);

// Builds the expression anew, arguments before their users. `visit` gets the node with its
// arguments in the new expression, and what that has so far; it returns the node's place in it.
// Nodes that no root needs are left out. True: the expression is another one now.
using Visit = std::function<graph::ExprId(const graph::ExprNode& node, graph::Expression& to)>;
bool rewrite(graph::Expression& expression, const Visit& visit);

// Where the operand is in the list, which it is put into if it is not there.
uint32_t place_of(std::vector<graph::Operand>& operands, const graph::Operand& operand);

// By value: whether some result lies on top of it, or takes its memory in the end. What such a
// value holds must not be asked for later than it was.
std::vector<bool> values_written_over(const graph::Graph& graph);

// Puts one value for another wherever it is read. By value: what to read instead. True: some was.
bool replace_values(graph::Graph& graph, std::span<const graph::ValueId> instead);

}  // namespace trireme::compile
