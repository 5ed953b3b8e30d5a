// SPDX-License-Identifier: Apache-2.0
// One node under verification; see verify.h.
#pragma once

#include <string>
#include <vector>

#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

class NodeCheck {
 public:
  // `number` is the node's in the graph. Problems are appended.
  NodeCheck(const Graph& graph, size_t number, std::vector<std::string>& problems);

  const Graph& graph() const { return graph_; }
  const Node& node() const { return node_; }
  const Extents& parallel() const { return parallel_; }  // the parallel dimensions

  // `what` where it does not hold; whether it does.
  bool expect(bool holds, const std::string& what);
  bool expect_operand(size_t operand, bool holds, const std::string& what);
  bool expect_result(size_t result, bool holds, const std::string& what);

 private:
  const Graph& graph_;
  const Node& node_;
  Extents parallel_;
  std::string where_;
  std::vector<std::string>& problems_;
};

// Views have a stride per size, stay within their values and write nothing twice; bases fit.
void check_accesses(NodeCheck& check);
// Arguments, dtypes and indices.
void check_expression(NodeCheck& check, const Expression& expression);
// What the comment of the primitive asks of operands, results and attributes.
void check_primitive(NodeCheck& check);

}  // namespace trireme::graph
