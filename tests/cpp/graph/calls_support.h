// SPDX-License-Identifier: Apache-2.0
// For tests of the op table: writes calls, builds their graph, and checks that it is sound.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "trireme/graph/build/graph_builder.h"
#include "trireme/graph/build/op_call.h"

namespace trireme::graph::testing {

inline Number number(int64_t value) {
  Number made;
  made.integer = value;
  return made;
}
inline Number number(double value) {
  Number made;
  made.dtype = DType::Float64;
  made.real = value;
  return made;
}

inline Extents sizes(std::initializer_list<int64_t> values) {
  return {values.begin(), values.end()};
}

// The lowest and highest element that a view reaches; nothing of an empty one.
struct Reach {
  bool empty = false;
  int64_t low = 0;
  int64_t high = 0;
};

inline Reach reach_of(const View& view) {
  Reach reach;
  reach.low = reach.high = *view.offset.constant();
  for (size_t i = 0; i < view.rank(); ++i) {
    const int64_t size = *view.sizes[i].constant();
    if (size == 0) reach.empty = true;
    const int64_t span = (size - 1) * *view.strides[i].constant();
    (span < 0 ? reach.low : reach.high) += span;
  }
  return reach;
}

// Moves what a view reaches by all indices in bounds.
inline Reach moved(Reach reach, const std::vector<IndexedDim>& indexed) {
  for (const IndexedDim& dim : indexed) {
    const int64_t bound = *dim.bound.constant();
    if (bound == 0) reach.empty = true;
    reach.high += (bound - 1) * *dim.stride.constant();
  }
  return reach;
}

inline void expect_inside(const Graph& graph, ValueId value, DType dtype, const Reach& reach,
                          const std::string& what) {
  if (reach.empty) return;
  const Value& held = graph.values[value];
  const int64_t bytes = *held.count.constant() * static_cast<int64_t>(size_of(held.dtype));
  EXPECT_GE(reach.low, 0) << what;
  EXPECT_LE((reach.high + 1) * static_cast<int64_t>(size_of(dtype)), bytes) << what;
}

// Of a graph of constant sizes: views have their node's sizes and stay within their values.
// Convolutions, attention, sorts and opaque calls have sizes of their own.
inline void expect_sound(const Graph& graph) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::string what =
        "node " + std::to_string(n) + ", " + std::string(name_of(node.primitive));
    const auto* gather = node.as<Gather>();
    const auto* scatter = node.as<Scatter>();
    const bool own_sizes = node.as<Convolve>() != nullptr || node.as<Attend>() != nullptr ||
                           node.as<Sort>() != nullptr || node.as<Opaque>() != nullptr;
    const Extents parallel(node.dims.begin(), node.dims.begin() + node.parallel);
    for (size_t k = 0; k < node.operands.size(); ++k) {
      const Operand& operand = node.operands[k];
      if (!own_sizes) {
        EXPECT_EQ(operand.view.sizes, node.dims) << what << ", operand " << k;
      }
      Reach reach = reach_of(operand.view);
      if (gather != nullptr && k == 0) reach = moved(reach, gather->indexed);
      expect_inside(graph, operand.value, operand.dtype, reach, what);
    }
    for (const Result& result : node.results) {
      if (!own_sizes) {
        EXPECT_EQ(result.view.sizes, parallel) << what;
      }
      Reach reach = reach_of(result.view);
      if (scatter != nullptr) reach = moved(reach, scatter->indexed);
      expect_inside(graph, result.value, result.dtype, reach, what);
    }
    if (const Map* map = node.as<Map>()) {
      EXPECT_EQ(map->expression.roots.size(), node.results.size()) << what;
      for (size_t k = 0; k < node.results.size(); ++k) {
        EXPECT_EQ(map->expression.nodes[map->expression.roots[k]].dtype, node.results[k].dtype)
            << what;
      }
    }
    if (gather != nullptr) {
      EXPECT_EQ(node.operands.size(), gather->indexed.size() + 1) << what;
    }
    if (scatter != nullptr) {
      EXPECT_EQ(node.operands.size(), scatter->indexed.size() + 1) << what;
      EXPECT_NE(node.results[0].base, kNoValue) << what;
      EXPECT_EQ(node.operands[0].dtype, node.results[0].dtype) << what;
    }
  }
}

// A stream of calls on tensors of constant sizes.
class Calls {
 public:
  // Holds something before the first call.
  Tensor input(DType dtype, std::initializer_list<int64_t> sizes) {
    return add(GraphBuilder::Origin::Outside, dtype, sizes);
  }
  // A new tensor that a call returns.
  Tensor fresh(DType dtype, std::initializer_list<int64_t> sizes) {
    return add(GraphBuilder::Origin::Inside, dtype, sizes);
  }
  uint32_t random() { return builder_.add_random(); }
  // A number that is an input of the graph.
  Number input_number(DType dtype, double value) {
    Number made;
    made.dtype = dtype;
    made.input = builder_.add_number(dtype);
    made.real = value;
    made.integer = static_cast<int64_t>(value);
    return made;
  }

  void call(const std::string& name, std::vector<Argument> args, std::vector<Tensor> outputs,
            std::optional<uint32_t> random = std::nullopt) {
    OpCall made;
    made.name = "aten::" + name;
    made.args = std::move(args);
    made.outputs = std::move(outputs);
    made.random = random;
    made.number = calls_++;
    builder_.add(made);
  }

  // Ends it; all storages leave.
  Graph finish() {
    std::vector<StorageId> all(storages_);
    for (StorageId i = 0; i < storages_; ++i) all[i] = i;
    Graph graph = builder_.finish(all);
    expect_sound(graph);
    return graph;
  }

  const GraphBuilder& builder() const { return builder_; }
  const std::vector<std::string>& declined() const { return builder_.declined(); }

 private:
  Tensor add(GraphBuilder::Origin origin, DType dtype, std::initializer_list<int64_t> sizes) {
    const View view = View::row_major({sizes.begin(), sizes.end()});
    Tensor tensor;
    tensor.dtype = dtype;
    tensor.sizes = view.sizes;
    tensor.strides = view.strides;
    tensor.storage =
        builder_.add_storage(origin, view.element_count() * static_cast<int64_t>(size_of(dtype)));
    storages_ = tensor.storage + 1;
    return tensor;
  }

  GraphBuilder builder_;
  uint32_t storages_ = 0;
  uint32_t calls_ = 0;
};

// The names of a graph's primitives, in order.
inline std::vector<std::string> kinds(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.emplace_back(name_of(node.primitive));
  return names;
}

using Kinds = std::vector<std::string>;

}  // namespace trireme::graph::testing
