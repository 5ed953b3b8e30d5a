// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/compiled_program.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "trireme/base/env.h"
#include "trireme/base/errors.h"
#include "trireme/graph/text/print.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/host_allocator.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/segment/compiler_library.h"
#include "trireme/run/segment/graph_inputs.h"
#include "trireme/run/segment/opaque_runner.h"

namespace trireme::run {
namespace {

// The storages of a segment, as a compiled graph sees them.
class SegmentSurroundings final : public compile::Surroundings {
 public:
  SegmentSurroundings(const SegmentGraph& graph, const SegmentLog& log,
                      std::span<record::VirtualStorage* const> storages)
      : graph_(graph), storages_(storages), opaque_(log) {}

  std::byte* input(uint32_t index) override { return memory_of(graph_.inputs[index]); }
  uint64_t input_version(uint32_t index) override {
    return version_of(*storages_[graph_.inputs[index]]);
  }
  std::byte* output(uint32_t index) override { return memory_of(graph_.outputs[index]); }

  void drop_input(uint32_t index) override {
    record::VirtualStorage& storage = *storages_[graph_.inputs[index]];
    storage.shadow.reset();
    storage.memory = c10::Storage();
  }

  std::byte* allocate(size_t bytes) override {
    return static_cast<std::byte*>(HostAllocator::instance().allocate(bytes));
  }
  void free(std::byte* memory) override { HostAllocator::instance().free(memory); }

  void run_opaque(const graph::Node& node, std::span<const std::span<const std::byte>> operands,
                  std::span<const std::span<std::byte>> results) override {
    opaque_.run(node, operands, results);
  }

 private:
  std::byte* memory_of(LogId id) {
    return static_cast<std::byte*>(host_memory(*storages_[id]).mutable_data());
  }

  const SegmentGraph& graph_;
  std::span<record::VirtualStorage* const> storages_;
  OpaqueRunner opaque_;
};

// The files of TRIREME_DUMP for one segment, without their endings; "": none are asked for.
std::string dump_path() {
  static std::atomic<uint32_t> number{0};
  const auto folder = base::env_folder("TRIREME_DUMP");
  return folder ? *folder + "/segment-" + std::to_string(number++) : std::string();
}

// What PyTorch's kernel of the op raises where an index is out of bounds; the others: IndexError.
bool raises_runtime_error(const std::string& op) {
  return op.starts_with("aten::gather") || op.starts_with("aten::scatter");
}

}  // namespace

CompiledProgram::~CompiledProgram() {
  if (!describe_to_.empty()) std::ofstream(describe_to_) << compiled_->describe();
}

bool CompiledProgram::accepts(const SegmentLog& log, std::span<const int64_t> symbols) const {
  return guards_hold(graph_, log, symbols);
}

void CompiledProgram::run(const SegmentLog& log, std::span<record::VirtualStorage* const> storages,
                          std::span<const int64_t> symbols) {
  SegmentSurroundings surroundings(graph_, log, storages);
  const auto poison = [&](const std::exception& error, const LoggedCall& call,
                          std::span<const uint32_t> outputs) {
    auto kept = record::make_call_error(error, *call.form->op, call.site);
    for (const uint32_t output : outputs) storages[graph_.outputs[output]]->error = kept;
    record::recorder().note_error(std::move(kept));
  };
  try {
    for (const auto& failure : compiled_->run(surroundings, run_values(graph_, log, symbols))) {
      const LoggedCall& call = log.calls()[failure.call];
      try {
        std::rethrow_exception(failure.error);
      } catch (const std::out_of_range& error) {
        const c10::SourceLocation here{__func__, __FILE__, __LINE__};
        if (raises_runtime_error(call.form->op->name)) {
          poison(c10::Error(here, error.what()), call, failure.outputs);
        } else {
          poison(c10::IndexError(here, error.what()), call, failure.outputs);
        }
      } catch (const std::exception& error) {
        poison(error, call, failure.outputs);
      }
    }
  } catch (const std::exception& error) {
    std::vector<uint32_t> all(graph_.outputs.size());
    for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
    poison(error, log.calls().back(), all);
  }
  for (const LogId id : graph_.outputs) storages[id]->version = 0;
}

std::unique_ptr<Program> make_compiled_program(const ProgramRequest& request) {
  const compile::Compiler& compiler = load_compiler();
  std::string refusal;
  auto graph = build_graph(
      *request.log, request.varies, request.fit.get(), refusal,
      [&](const graph::Graph& so_far, const auto& node) { return compiler.refusal(so_far, node); });
  if (!graph) throw Error(refusal);
  compile::CompileOptions options;
  for (const LogId id : graph->inputs)
    options.dying.push_back(request.log->storages()[id].released);
  const std::string path = dump_path();
  if (!path.empty()) std::ofstream(path + ".graph") << graph::print(graph->graph);
  options.measure = !path.empty();
  options.pace = request.pace;
  options.off = passes_off();
  // A packed product may round otherwise than the one it takes the place of.
  if (is_deterministic(*request.log)) {
    for (const char* pass : {"pack_weights", "try_libraries"}) options.off.emplace_back(pass);
  }
  auto compiled = compiler.compile(std::move(graph->graph), options);
  return std::make_unique<CompiledProgram>(request.log, std::move(*graph), std::move(compiled),
                                           path.empty() ? path : path + ".steps");
}

}  // namespace trireme::run
