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
#include "trireme/compile/cluster/step_kernel.h"
#include "trireme/compile/code/kernel_process.h"
#include "trireme/compile/code/messages.h"
#include "trireme/compile/library/contract.h"
#include "trireme/compile/library/convolution.h"
#include "trireme/compile/library/gemm.h"
#include "trireme/compile/passes/pass.h"
#include "trireme/compile/plan/schedule_for_memory.h"
#include "trireme/compile/program/attend_step.h"
#include "trireme/compile/program/kernel_step.h"
#include "trireme/compile/program/library_steps.h"
#include "trireme/compile/program/program.h"

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::Node;

bool library_takes(DType dtype) { return dtype == DType::Float32 || dtype == DType::BFloat16; }

bool is_fixed(const Node& node) {
  const auto fixed = [](const auto& one) { return one.view.is_constant(); };
  return std::ranges::all_of(node.operands, fixed) && std::ranges::all_of(node.results, fixed);
}

// What BLAS reads as it lies: else ATen copies, and the loops here would be slow.
bool blas_takes(const Node& node) {
  static const std::unique_ptr<GemmLibrary> blas = blas_library();
  if (!is_fixed(node)) return false;
  const ContractShape shape = shape_of(node, {});
  // Nothing is multiplied where a size is zero.
  if (std::ranges::find(shape.dims, 0) != shape.dims.end()) return true;
  const ContractResult product = contract_to_gemm(shape);
  return product.gemm && !product.gemm->copy_a && !product.gemm->copy_b &&
         blas->make(product.gemm->problem).gemm != nullptr;
}

std::string refuse_library(const Node& node) {
  const auto is_double = [](const auto& one) { return one.dtype == DType::Float64; };
  if (node.as<graph::Contract>() != nullptr && std::ranges::all_of(node.operands, is_double) &&
      std::ranges::all_of(node.results, is_double) && blas_takes(node)) {
    return {};
  }
  const auto takes = [](const auto& one) { return library_takes(one.dtype); };
  if (!std::ranges::all_of(node.operands, takes) || !std::ranges::all_of(node.results, takes)) {
    return "no library here multiplies elements of this type fast";
  }
  if (node.as<graph::Convolve>() == nullptr) return {};
  if (!is_fixed(node)) {
    return "a convolution of sizes that vary";
  }
  // oneDNN keeps what it makes: making it again for the program costs little.
  return make_convolution(problem_of(node, {}), ConvolutionFormats::Preferred).reason;
}

struct ScheduledKernel {
  uint32_t number;  // of the step, as form_clusters has it
  KernelStep* step;
};

class CpuCompiler final : public Compiler {
 public:
  explicit CpuCompiler(std::string kernels) : chooser_(libraries()), process_(std::move(kernels)) {}

  std::string refusal(const Graph& graph, const Node& node) const override {
    if (node.as<graph::Opaque>() != nullptr) return {};
    if (node.as<graph::Contract>() != nullptr || node.as<graph::Convolve>() != nullptr) {
      return refuse_library(node);
    }
    if (node.as<graph::Attend>() != nullptr) return refuse_attend(node);
    return kernel_refusal(graph, node);
  }

  std::vector<std::string> switches() const override {
    const auto names = compile::switches();
    return {names.begin(), names.end()};
  }

  std::unique_ptr<CompiledGraph> compile(Graph graph,
                                         const CompileOptions& options) const override {
    optimise(graph, {options.off, options.verify, options.pace});
    auto kept = std::make_unique<const Graph>(std::move(graph));
    std::vector<std::unique_ptr<Step>> steps;
    std::vector<ScheduledKernel> kernels;
    const bool fuses = !is_off(options.off, kFuse);
    const bool packs = !is_off(options.off, kPackWeights);
    const auto packable = [&](const Node& node) {
      return packs ? packable_input(*kept, node, packed_weights_) : std::nullopt;
    };
    const bool tries = !is_off(options.off, kTryLibraries);
    const std::vector<ScheduledStep> schedule = form_clusters(*kept, fuses);
    const std::vector<bool> leaves = values_that_leave(*kept, schedule);
    for (uint32_t number = 0; number < schedule.size(); ++number) {
      const Node& node = kept->nodes[schedule[number].clusters[0].nodes[0]];
      if (node.as<graph::Opaque>() != nullptr) {
        steps.push_back(make_opaque_step(*kept, node));
      } else if (node.as<graph::Contract>() != nullptr) {
        steps.push_back(make_contract_step(*kept, schedule[number].clusters[0].nodes, chooser_,
                                           tries, packable(node)));
      } else if (node.as<graph::Convolve>() != nullptr) {
        steps.push_back(
            make_convolve_step(*kept, schedule[number].clusters[0].nodes, packable(node)));
      } else if (node.as<graph::Attend>() != nullptr) {
        steps.push_back(make_attend_step(node));
      } else {
        auto made =
            std::make_unique<KernelStep>(step_kernel(*kept, schedule[number], leaves), node.call);
        kernels.push_back({number, made.get()});
        steps.push_back(std::move(made));
      }
    }
    load(*kept, fuses, kernels, options.pace);
    if (!is_off(options.off, kScheduleForMemory)) {
      std::vector<StepAccess> access;
      access.reserve(steps.size());
      for (const auto& step : steps) access.push_back(step->access());
      std::vector<std::unique_ptr<Step>> ordered;
      ordered.reserve(steps.size());
      for (const uint32_t number : schedule_for_memory(*kept, access, options.dying)) {
        ordered.push_back(std::move(steps[number]));
      }
      steps = std::move(ordered);
    }
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
    all.push_back(blas_library());
    all.push_back(loop_library());
    return all;
  }

  // Gives the steps their machine code. Equal kernels are compiled once: the layers of a model are
  // alike, and so are segments.
  void load(const Graph& graph, bool fuses, std::span<const ScheduledKernel> kernels,
            base::Pace* pace) const {
    std::vector<std::string> texts;
    for (const ScheduledKernel& one : kernels) texts.push_back(print(one.step->kernel()));
    const std::lock_guard lock(mutex_);
    if (loaded_.size() > kKernels) loaded_.clear();
    std::vector<uint32_t> fresh;  // of `kernels`
    for (uint32_t i = 0; i < kernels.size(); ++i) {
      if (loaded_.try_emplace(texts[i]).second) fresh.push_back(i);
    }
    try {
      for (std::span<const uint32_t> left = fresh; !left.empty();) {
        if (pace != nullptr) pace->rest();
        const auto part = left.first(std::min(left.size(), kAtOnce));
        left = left.subspan(part.size());
        std::vector<uint32_t> steps;
        steps.reserve(part.size());
        for (const uint32_t i : part) steps.push_back(kernels[i].number);
        const auto module =
            std::make_shared<const Module>(process_.compile(graph, fuses, steps, pace));
        for (const uint32_t i : part) {
          loaded_[texts[i]] = {module, module->function(name_of_step(kernels[i].number))};
        }
      }
    } catch (...) {
      for (const uint32_t i : fresh) loaded_.erase(texts[i]);
      throw;
    }
    for (size_t i = 0; i < kernels.size(); ++i) {
      const LoadedKernel& kernel = loaded_.at(texts[i]);
      kernels[i].step->load(kernel.module, kernel.function);
    }
  }

  // Kernels, 10 to 20 ms of work between rests: more would be felt by a program that is to be left
  // alone. All at once would save 6 %.
  static constexpr size_t kAtOnce = 4;
  // Programs keep the modules that they use, whatever is forgotten here.
  static constexpr size_t kKernels = 16384;
  struct LoadedKernel {
    std::shared_ptr<const Module> module;
    KernelFunction function = nullptr;
  };

  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, LoadedKernel> loaded_;  // by text
  mutable GemmChooser chooser_;
  mutable PackedWeights packed_weights_{PackedWeights::part_of_memory()};
  mutable KernelProcess process_;
};

}  // namespace

std::unique_ptr<Compiler> make_cpu_compiler(const std::string& kernels) {
  return std::make_unique<CpuCompiler>(kernels);
}

}  // namespace trireme::compile
