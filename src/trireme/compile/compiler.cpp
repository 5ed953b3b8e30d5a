// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/compiler.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "trireme/compile/cluster/form.h"
#include "trireme/compile/cluster/lower.h"
#include "trireme/compile/cluster/merge.h"
#include "trireme/compile/library/contract.h"
#include "trireme/compile/library/convolution.h"
#include "trireme/compile/library/gemm.h"
#include "trireme/compile/llvm/module.h"
#include "trireme/compile/passes/eliminate_dead.h"
#include "trireme/compile/plan/reduce_products.h"
#include "trireme/compile/program/kernel_step.h"
#include "trireme/compile/program/library_steps.h"
#include "trireme/compile/program/program.h"
#include "trireme/graph/check/verify.h"

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::Node;

bool library_takes(DType dtype) { return dtype == DType::Float32 || dtype == DType::BFloat16; }

std::string refuse_library(const Node& node) {
  const auto takes = [](const auto& one) { return library_takes(one.dtype); };
  if (!std::ranges::all_of(node.operands, takes) || !std::ranges::all_of(node.results, takes)) {
    return "no library here multiplies elements of this type fast";
  }
  if (node.as<graph::Convolve>() == nullptr) return {};
  const auto fixed = [](const auto& one) {
    return one.view.offset.is_constant() &&
           std::ranges::all_of(one.view.sizes, &graph::Extent::is_constant) &&
           std::ranges::all_of(one.view.strides, &graph::Extent::is_constant);
  };
  if (!std::ranges::all_of(node.operands, fixed) || !std::ranges::all_of(node.results, fixed)) {
    return "a convolution of sizes that vary";
  }
  // oneDNN keeps what it makes: making it again for the program costs little.
  return make_convolution(problem_of(node, {}), ConvolutionFormats::Preferred).reason;
}

class CpuCompiler final : public Compiler {
 public:
  CpuCompiler() : chooser_(libraries(), {.measure = false}) {}

  std::string refusal(const Graph& graph, const Node& node) const override {
    if (node.as<graph::Opaque>() != nullptr) return {};
    if (node.as<graph::Contract>() != nullptr || node.as<graph::Convolve>() != nullptr) {
      return refuse_library(node);
    }
    return kernel_refusal(graph, node);
  }

  std::unique_ptr<CompiledGraph> compile(Graph graph,
                                         const CompileOptions& options) const override {
    const auto pass = [&](const char* name, bool (*change)(Graph&)) {
      change(graph);
      if (!options.verify) return;
      const auto problems = graph::verify(graph);
      if (problems.empty()) return;
      throw CompileError(std::string("the pass ") + name + " broke the graph: " + problems.front());
    };
    pass("reduce_products", reduce_products);
    pass("eliminate_dead", eliminate_dead);
    auto kept = std::make_unique<const Graph>(std::move(graph));
    std::vector<std::unique_ptr<Step>> steps;
    std::vector<KernelStep*> kernels;
    const std::vector<ScheduledStep> schedule = form_clusters(*kept);
    const std::vector<bool> leaves = values_that_leave(*kept, schedule);
    for (const ScheduledStep& step : schedule) {
      const Node& node = kept->nodes[step.clusters[0].nodes[0]];
      if (node.as<graph::Opaque>() != nullptr) {
        steps.push_back(make_opaque_step(*kept, node));
      } else if (node.as<graph::Contract>() != nullptr) {
        steps.push_back(make_contract_step(node, chooser_));
      } else if (node.as<graph::Convolve>() != nullptr) {
        steps.push_back(make_convolve_step(node));
      } else {
        auto made = make_kernel_step(*kept, step, leaves);
        kernels.push_back(made.get());
        steps.push_back(std::move(made));
      }
    }
    load(kernels);
    const bool fixed = kept->symbols == 0;
    auto program = std::make_unique<StepProgram>(std::move(kept), std::move(steps), options.dying,
                                                 options.measure);
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

  // By value: whether another step than the one that makes it needs it, or the graph's user.
  static std::vector<bool> values_that_leave(const Graph& graph,
                                             std::span<const ScheduledStep> schedule) {
    std::vector<uint32_t> step_of(graph.nodes.size());
    for (uint32_t step = 0; step < schedule.size(); ++step) {
      for (const Cluster& cluster : schedule[step].clusters) {
        for (const uint32_t node : cluster.nodes) step_of[node] = step;
      }
    }
    const graph::Uses uses(graph);
    std::vector<bool> leaves = uses.leaves;
    for (graph::ValueId value = 0; value < graph.values.size(); ++value) {
      if (uses.maker[value] == graph::Uses::kNoNode) continue;
      for (const auto& use : uses.uses[value]) {
        if (step_of[use.node] != step_of[uses.maker[value]]) leaves[value] = true;
      }
    }
    return leaves;
  }

  static std::unique_ptr<KernelStep> make_kernel_step(const Graph& graph, const ScheduledStep& step,
                                                      const std::vector<bool>& leaves) {
    std::vector<ClusterKernel> kernels;
    for (const Cluster& cluster : step.clusters) {
      kernels.push_back(lower_cluster(graph, cluster, leaves));
    }
    return std::make_unique<KernelStep>(merge_kernels(std::move(kernels)),
                                        graph.nodes[step.clusters[0].nodes[0]].call);
  }

  // Gives the steps their machine code. Equal kernels are compiled once: the layers of a model are
  // alike, and so are segments.
  void load(std::span<KernelStep* const> steps) const {
    std::vector<std::string> texts;
    for (const KernelStep* step : steps) texts.push_back(print(step->kernel()));
    const std::lock_guard lock(mutex_);
    if (loaded_.size() > kKernels) loaded_.clear();
    std::vector<Kernel> kernels;
    std::vector<const std::string*> fresh;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (!loaded_.try_emplace(texts[i]).second) continue;
      kernels.push_back(steps[i]->kernel());
      kernels.back().name = "k" + std::to_string(kernels.size());
      fresh.push_back(&texts[i]);
    }
    try {
      if (!kernels.empty()) {
        const auto module = std::make_shared<const Module>(compile_object(kernels));
        for (size_t i = 0; i < kernels.size(); ++i) loaded_[*fresh[i]] = {module, kernels[i].name};
      }
    } catch (...) {
      for (const std::string* text : fresh) loaded_.erase(*text);
      throw;
    }
    for (size_t i = 0; i < steps.size(); ++i) {
      const LoadedKernel& kernel = loaded_.at(texts[i]);
      steps[i]->load(kernel.module, kernel.name);
    }
  }

  // Programs keep the modules that they use, whatever is forgotten here.
  static constexpr size_t kKernels = 16384;
  struct LoadedKernel {
    std::shared_ptr<const Module> module;
    std::string name;
  };

  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, LoadedKernel> loaded_;  // by text
  mutable GemmChooser chooser_;
};

}  // namespace

std::unique_ptr<Compiler> make_cpu_compiler() { return std::make_unique<CpuCompiler>(); }

}  // namespace trireme::compile
