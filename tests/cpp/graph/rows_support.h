// SPDX-License-Identifier: Apache-2.0
// CallRunner by hand, the graph that they become and, for graphs of maps over single elements, what
// it computes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "trireme/graph/build/graph_builder.h"
#include "trireme/graph/build/op_call.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::graph::testing {

Number integer(int64_t value);
Number real(double value);
// A default argument alpha=1, value=1, ...
inline Number one() { return integer(1); }

class CallRunner {
 public:
  // A contiguous tensor in a storage of its own that holds something before the first call.
  Tensor tensor(const Extents& sizes, DType dtype = DType::Float32);
  // One without dimensions that holds the value.
  Tensor scalar(double value, DType dtype = DType::Float64);
  // A tensor that a call makes.
  Tensor fresh(const Extents& sizes, DType dtype = DType::Float32);
  Tensor fresh_scalar(DType dtype = DType::Float64) { return fresh({}, dtype); }
  // A scalar input of the graph that has this value now, and other ones later.
  Number varying(double value);

  // Adds the call; `name` without "aten::".
  void add(const std::string& name, std::vector<Argument> args, std::vector<Tensor> outputs);
  const std::vector<std::string>& declined() const { return builder_.declined(); }
  const std::vector<NumberGuard>& guards() const { return builder_.guards(); }

  // Ends the graph.
  const Graph& graph();
  // What the tensor, a scalar, holds at the end. All nodes must be maps over one element.
  double value(const Tensor& tensor);

 private:
  StorageId add_storage(GraphBuilder::Origin origin, const Extents& sizes, DType dtype);
  void evaluate();

  GraphBuilder builder_;
  std::map<StorageId, double> before_;
  std::map<StorageId, double> after_;
  std::vector<double> numbers_;
  std::vector<StorageId> storages_;
  Graph graph_;
  bool finished_ = false;
};

// What a call gives whose arguments are scalars: its output, of this dtype.
double result(const std::string& name, std::vector<double> tensors, std::vector<Argument> others,
              DType dtype = DType::Float64);

// "add(mul(load0, load1), 2)": the first result's expression.
std::string text(const Node& node);

}  // namespace trireme::graph::testing
