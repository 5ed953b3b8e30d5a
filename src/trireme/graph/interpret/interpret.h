// SPDX-License-Identifier: Apache-2.0
// Runs a graph, plainly: the oracle of the passes, the op table and compiled code. It computes sums
// in double, so that it is nearer to the truth than what is held against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "trireme/graph/ir/graph.h"
#include "trireme/graph/ir/number.h"

namespace trireme::graph {

struct RandomState {
  uint64_t seed = 0;
  uint64_t offset = 0;
};

struct Inputs {
  std::vector<std::span<const std::byte>> buffers;  // of the graph's inputs, in order
  std::vector<Number> numbers;                      // of its scalar inputs
  std::vector<int64_t> symbols;                     // by SymbolId
  std::vector<RandomState> randoms;                 // of its random inputs
};

// Zeroed memory, aligned for any element type.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size);
  std::span<std::byte> bytes() { return {data_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const { ::operator delete[](data, std::align_val_t(64)); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  size_t size_ = 0;
};

// An error that only running finds: an index out of range.
class NodeError : public std::runtime_error {
 public:
  NodeError(uint32_t node, const std::string& what) : std::runtime_error(what), node_(node) {}
  uint32_t node() const { return node_; }

 private:
  uint32_t node_;
};

// Runs opaque nodes, which this room cannot.
class OpaqueRunner {
 public:
  OpaqueRunner() = default;
  OpaqueRunner(const OpaqueRunner&) = delete;
  OpaqueRunner& operator=(const OpaqueRunner&) = delete;
  virtual ~OpaqueRunner() = default;
  // `operands`: the whole values that the node reads; `results`: those that it makes, of which one
  // with a base holds the base's bytes.
  virtual void run(const Node& node, std::span<const std::span<const std::byte>> operands,
                   std::span<const std::span<std::byte>> results) = 0;
};

// The values of the graph's outputs, in order. `opaque` may be null where there is no opaque node.
// Throws NodeError; std::invalid_argument where the inputs do not fit the graph.
std::vector<Buffer> interpret(const Graph& graph, const Inputs& inputs, OpaqueRunner* opaque);

}  // namespace trireme::graph
