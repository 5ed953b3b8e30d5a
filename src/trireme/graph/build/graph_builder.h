// SPDX-License-Identifier: Apache-2.0
// Builds a graph of calls that mutate storages: every storage has a current value, and a write
// makes the next one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "trireme/graph/build/op_call.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// What must hold of a scalar input for the graph to be right.
struct NumberGuard {
  uint32_t input = 0;
  Number value;
};

class GraphBuilder {
 public:
  enum class Origin : uint8_t {
    Outside,  // holds something before the first call: an input of the graph, once it is read
    Inside,   // made by one of the calls: holds nothing yet
  };

  // Why a node may not be in the graph; empty: it may. A call that needs one that may not is an
  // opaque node.
  using Refusal = std::function<std::string(const Graph& graph, const Node& node)>;
  explicit GraphBuilder(Refusal refusal = {}) : refusal_(std::move(refusal)) {}

  // How many symbols the extents of calls may have. Before the first call.
  void set_symbols(uint32_t count) { graph_.symbols = count; }
  // `nbytes`: its size.
  StorageId add_storage(Origin origin, Extent nbytes);
  // A scalar input of the graph; Int64, Float64, Bool or Complex128.
  uint32_t add_number(DType dtype);
  // A seed and an offset.
  uint32_t add_random();

  // Adds what the call does: by its row of the op table or, where there is none or the row
  // declines, as an opaque node.
  void add(const OpCall& call);
  // Always as an opaque node.
  void add_opaque(const OpCall& call);

  // --- for rows, through Lowering ---
  // The value that the storage holds now. One that holds nothing gets zeros.
  ValueId current(StorageId storage, DType dtype);
  Operand read(const Tensor& tensor);
  // Adds a node; `targets` are the tensors that its results write, each in a storage of its own.
  // `dims` is its iteration space, the first `parallel` of them parallel.
  void append(Primitive primitive, Extents dims, size_t parallel, std::vector<Operand> operands,
              std::span<const Tensor> targets);
  // The graph holds only where the scalar input has this value.
  void guard(const Number& number);
  // The graph holds only where this is not negative.
  void guard_natural(const Extent& extent);

  // Ends the graph: the values of `leaving` storages, those written, are its outputs, in this
  // order; nodes that nothing needs stay.
  Graph finish(std::span<const StorageId> leaving);

  // Of the graph's inputs, in order: which storages.
  const std::vector<StorageId>& input_storages() const { return input_storages_; }
  // Of the graph's outputs, in order, as finish left them.
  const std::vector<StorageId>& output_storages() const { return output_storages_; }
  const std::vector<NumberGuard>& guards() const { return guards_; }
  const std::vector<Extent>& naturals() const { return naturals_; }
  // Why calls became opaque nodes, in order: "aten::sort: no row".
  const std::vector<std::string>& declined() const { return declined_; }
  // Nodes so far.
  size_t size() const { return graph_.nodes.size(); }

 private:
  struct Storage {
    Extent nbytes;
    Origin origin = Origin::Outside;
    ValueId value = kNoValue;         // what it holds now
    std::optional<uint32_t> input{};  // of the graph, once read from outside
  };

  // How to take back what a row did before it declined.
  struct Change {
    StorageId storage;
    Storage before;
  };

  Storage& change(StorageId storage);
  // How much there is of what a row may add.
  struct Sizes {
    size_t nodes = 0;
    size_t values = 0;
    size_t storages = 0;
    size_t guards = 0;
    size_t naturals = 0;
  };
  Sizes sizes() const;
  void undo(const Sizes& before);
  Extent count(StorageId storage, DType dtype) const;

  Refusal refusal_;
  Graph graph_;
  std::vector<Storage> storages_;
  std::vector<StorageId> input_storages_;
  std::vector<StorageId> output_storages_;
  std::vector<NumberGuard> guards_;
  std::vector<Extent> naturals_;
  std::vector<std::string> declined_;
  std::vector<Change> changes_;  // by the call that is being added
  uint32_t call_ = 0;
};

}  // namespace trireme::graph
