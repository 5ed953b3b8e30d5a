// SPDX-License-Identifier: Apache-2.0
// What compiles graphs. An interface, because the implementation is a library of its own: LLVM and
// oneDNN are loaded when the first graph is compiled, not with the module.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trireme/base/pace.h"
#include "trireme/graph/interpret/interpret.h"
#include "trireme/graph/ir/graph.h"
#include "trireme/graph/ir/number.h"

namespace trireme::compile {

// Where a compiled graph runs: memory of its inputs and outputs, and who runs what is not compiled.
class Surroundings {
 public:
  Surroundings() = default;
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;
  virtual ~Surroundings() = default;

  // What the input holds; also where an output that belongs to this input is left.
  virtual std::byte* input(uint32_t index) = 0;
  // A number of what the input holds before the run: the same number as at an earlier run, of this
  // input or another, means the same bytes. For what a program keeps of inputs that do not change
  // (packed weights). 0: not known; nothing is to be kept. Of an input that the graph itself writes
  // to, the number is that of the bytes before.
  virtual uint64_t input_version(uint32_t index) = 0;
  // Memory of an output that belongs to no input; made when it is first asked for.
  virtual std::byte* output(uint32_t index) = 0;
  // A dying input that is not read any more.
  virtual void drop_input(uint32_t index) = 0;
  // Aligned to 64 bytes. Throws where there is none.
  virtual std::byte* allocate(size_t bytes) = 0;
  virtual void free(std::byte* memory) = 0;
  // Runs an opaque node as graph::OpaqueRunner does. Throws what its kernel throws.
  virtual void run_opaque(const graph::Node& node,
                          std::span<const std::span<const std::byte>> operands,
                          std::span<const std::span<std::byte>> results) = 0;
};

// What else differs from run to run.
struct RunValues {
  std::vector<graph::Number> numbers;       // of the graph's scalar inputs
  std::vector<int64_t> symbols;             // by SymbolId
  std::vector<graph::RandomState> randoms;  // of its random inputs
};

// A node that failed, and the outputs that depend on it.
struct RunFailure {
  uint32_t call = 0;  // graph::Node::call
  std::exception_ptr error;
  std::vector<uint32_t> outputs;
};

class CompiledGraph {
 public:
  CompiledGraph() = default;
  CompiledGraph(const CompiledGraph&) = delete;
  CompiledGraph& operator=(const CompiledGraph&) = delete;
  virtual ~CompiledGraph() = default;

  // Leaves the graph's outputs in their memory. One run at a time. What does not depend on a failed
  // node is right. Throws where there is no memory.
  virtual std::vector<RunFailure> run(Surroundings& surroundings, const RunValues& values) = 0;
  // Steps, kernels and the memory plan, for people; with the mean time of each step, where
  // measured.
  virtual std::string describe() const = 0;
};

struct CompileOptions {
  std::vector<bool> dying;       // by input: what it holds is not needed after the graph
  bool verify = false;           // check the graph after each pass; CompileError names the pass
  std::vector<std::string> off;  // passes to leave out, of Compiler::switches()
  bool measure = false;          // the time of each step, for describe()
  base::Pace* pace = nullptr;    // rests in between; null: goes through with it
};

class Compiler {
 public:
  Compiler() = default;
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;
  virtual ~Compiler() = default;

  // Whether it can compile the node; empty: yes, else why not. What it cannot compile has to be
  // an opaque node. Any thread.
  virtual std::string refusal(const graph::Graph& graph, const graph::Node& node) const = 0;
  // What CompileOptions::off may name.
  virtual std::vector<std::string> switches() const = 0;
  // Throws CompileError, std::invalid_argument. Any thread.
  virtual std::unique_ptr<CompiledGraph> compile(graph::Graph graph,
                                                 const CompileOptions& options) const = 0;
};

// Compiles for this machine's CPU. `kernels`: the path of the program trireme-kernels, which is run
// for it.
std::unique_ptr<Compiler> make_cpu_compiler(const std::string& kernels);

// The name of the function in the compiler's library that makes a compiler; the caller owns it.
inline constexpr const char* kMakeCompiler = "trireme_make_compiler";
using MakeCompiler = Compiler* (*)(const char* kernels);

}  // namespace trireme::compile
