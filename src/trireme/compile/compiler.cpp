// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/compiler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "trireme/compile/library/contract.h"
#include "trireme/compile/library/gemm.h"
#include "trireme/compile/llvm/module.h"
#include "trireme/compile/lower/lower.h"
#include "trireme/compile/plan/reduce_products.h"
#include "trireme/compile/program/kernel_step.h"
#include "trireme/compile/program/library_steps.h"
#include "trireme/compile/program/program.h"

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::Node;

bool library_takes(DType dtype) { return dtype == DType::Float32 || dtype == DType::BFloat16; }

std::string refuse_library(const Node& node) {
  const auto takes = [](const auto& one) { return library_takes(one.dtype); };
  if (std::ranges::all_of(node.operands, takes) && std::ranges::all_of(node.results, takes)) {
    return {};
  }
  return "no library here multiplies elements of this type fast";
}

class CpuCompiler final : public Compiler {
 public:
  CpuCompiler() : chooser_(libraries(), {.measure = false}) {}

  std::string refusal(const Graph& graph, const Node& node) const override {
    if (node.as<graph::Opaque>() != nullptr) return {};
    if (node.as<graph::Contract>() != nullptr || node.as<graph::Convolve>() != nullptr) {
      return refuse_library(node);
    }
    return lower(graph, node, "k").why;
  }

  std::unique_ptr<CompiledGraph> compile(Graph graph,
                                         const CompileOptions& options) const override {
    reduce_products(graph);
    auto kept = std::make_unique<const Graph>(std::move(graph));
    std::vector<std::unique_ptr<Step>> steps;
    std::vector<KernelStep*> kernels;
    for (const Node& node : kept->nodes) {
      if (node.as<graph::Opaque>() != nullptr) {
        steps.push_back(make_opaque_step(*kept, node));
      } else if (node.as<graph::Contract>() != nullptr) {
        steps.push_back(make_contract_step(node, chooser_));
      } else if (node.as<graph::Convolve>() != nullptr) {
        steps.push_back(make_convolve_step(node));
      } else {
        auto step = make_kernel_step(*kept, node, "k" + std::to_string(kernels.size()));
        kernels.push_back(step.get());
        steps.push_back(std::move(step));
      }
    }
    load(kernels);
    const bool fixed = kept->symbols == 0;
    auto program = std::make_unique<StepProgram>(std::move(kept), std::move(steps), options.dying);
    if (fixed) program->prepare({});
    return program;
  }

 private:
  static std::vector<std::shared_ptr<const GemmLibrary>> libraries() {
    std::vector<std::shared_ptr<const GemmLibrary>> all;
    all.push_back(onednn_library());
    all.push_back(loop_library());
    return all;
  }

  static std::unique_ptr<KernelStep> make_kernel_step(const Graph& graph, const Node& node,
                                                      std::string name) {
    Lowered lowered = lower(graph, node, std::move(name));
    if (!lowered.kernel) throw CompileError(lowered.why);
    std::vector<KernelBuffer> buffers;
    for (const auto& operand : node.operands) buffers.push_back({operand.value, graph::kNoValue});
    for (const auto& result : node.results) buffers.push_back({result.value, result.base});
    return std::make_unique<KernelStep>(std::move(*lowered.kernel), std::move(buffers), node.call);
  }

  static void load(std::span<KernelStep* const> steps) {
    if (steps.empty()) return;
    std::vector<Kernel> kernels;
    for (const KernelStep* step : steps) kernels.push_back(step->kernel());
    const auto module = std::make_shared<const Module>(compile_object(kernels));
    for (KernelStep* step : steps) step->load(module);
  }

  mutable GemmChooser chooser_;
};

}  // namespace

std::unique_ptr<Compiler> make_cpu_compiler() { return std::make_unique<CpuCompiler>(); }

}  // namespace trireme::compile
