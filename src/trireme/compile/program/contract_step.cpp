// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "trireme/base/openmp.h"
#include "trireme/compile/library/contract.h"
#include "trireme/compile/program/copy.h"
#include "trireme/compile/program/library_steps.h"

namespace trireme::compile {
namespace {

using graph::Node;

size_t align(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t bytes_of(const ContractCopy& copy, DType dtype) {
  size_t count = 1;
  for (const int64_t size : copy.sizes) count *= static_cast<size_t>(size);
  return align(count * graph::size_of(dtype));
}

class PreparedProduct final : public PreparedStep {
 public:
  PreparedProduct(const Node& node, ContractGemm plan, std::unique_ptr<Gemm> gemm)
      : node_(node), plan_(std::move(plan)), gemm_(std::move(gemm)) {
    if (plan_.copy_a) copy_a_bytes_ = bytes_of(*plan_.copy_a, node.operands[0].dtype);
    if (plan_.copy_b) copy_b_bytes_ = bytes_of(*plan_.copy_b, node.operands[1].dtype);
  }

  size_t scratch_bytes() const override {
    return copy_a_bytes_ + copy_b_bytes_ + gemm_->scratch_bytes();
  }

  void run(const Frame& frame) const override {
    std::byte* scratch = frame.scratch;
    const auto operand = [&](size_t i, int64_t offset, const std::optional<ContractCopy>& copy,
                             size_t copy_bytes) -> const std::byte* {
      const size_t size = graph::size_of(node_.operands[i].dtype);
      const std::byte* memory = frame.at(node_.operands[i].value);
      if (!copy) return memory + static_cast<size_t>(offset) * size;
      const int64_t start = node_.operands[i].view.offset.evaluate(frame.values.symbols);
      copy_strided(memory + static_cast<size_t>(start) * size, scratch, copy->sizes, copy->strides,
                   size);
      return std::exchange(scratch, scratch + copy_bytes);
    };
    GemmPointers pointers;
    pointers.a = operand(0, plan_.a_offset, plan_.copy_a, copy_a_bytes_);
    pointers.b = operand(1, plan_.b_offset, plan_.copy_b, copy_b_bytes_);
    pointers.c = frame.at(node_.results[0].value) +
                 static_cast<size_t>(plan_.c_offset) * graph::size_of(node_.results[0].dtype);
    gemm_->run(pointers, scratch);
  }

 private:
  const Node& node_;
  ContractGemm plan_;
  std::unique_ptr<Gemm> gemm_;
  size_t copy_a_bytes_ = 0;
  size_t copy_b_bytes_ = 0;
};

// Nothing to sum, or nowhere to put it: the result's elements are zero.
class PreparedZero final : public PreparedStep {
 public:
  PreparedZero(const Node& node, std::span<const int64_t> symbols) : node_(node) {
    for (uint32_t i = 0; i < node.parallel; ++i) {
      sizes_.push_back(node.dims[i].evaluate(symbols));
      strides_.push_back(node.results[0].view.strides[i].evaluate(symbols));
    }
    offset_ = node.results[0].view.offset.evaluate(symbols);
  }

  void run(const Frame& frame) const override {
    const size_t size = graph::size_of(node_.results[0].dtype);
    fill_zero(frame.at(node_.results[0].value) + static_cast<size_t>(offset_) * size, sizes_,
              strides_, size);
  }

 private:
  const Node& node_;
  std::vector<int64_t> sizes_;
  std::vector<int64_t> strides_;
  int64_t offset_ = 0;
};

// Floating-point operations below which a second thread costs more than it does: it has to be
// woken, and it waits, spinning, on a core that the program itself could use.
constexpr double kSerialWork = 4e6;

double work_of(const GemmProblem& problem) {
  return 2.0 * static_cast<double>(problem.batch_count()) * static_cast<double>(problem.m) *
         static_cast<double>(problem.n) * static_cast<double>(problem.k);
}

class ContractStep final : public Step {
 public:
  ContractStep(const Node& node, GemmChooser& chooser) : node_(node), chooser_(chooser) {}

  StepAccess access() const override {
    return {{node_.operands[0].value, node_.operands[1].value},
            {{node_.results[0].value, node_.results[0].base}}};
  }

  std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const override {
    const ContractShape shape = shape_of(node_, symbols);
    if (std::ranges::find(shape.dims, 0) != shape.dims.end()) {
      return std::make_unique<PreparedZero>(node_, symbols);
    }
    ContractResult plan = contract_to_gemm(shape);
    if (!plan.gemm) throw std::runtime_error("a contraction is no product: " + plan.reason);
    const base::OneThread alone(work_of(plan.gemm->problem) < kSerialWork);
    GemmResult made = chooser_.make(plan.gemm->problem);
    if (!made.gemm) {
      throw std::runtime_error("no library takes the product " +
                               compile::describe(plan.gemm->problem) + ": " + made.reason);
    }
    return std::make_unique<PreparedProduct>(node_, std::move(*plan.gemm), std::move(made.gemm));
  }

  uint32_t call() const override { return node_.call; }

  std::string describe() const override {
    std::string text = "product";
    if (std::ranges::all_of(node_.dims, &Extent::is_constant)) {
      const ContractResult plan = contract_to_gemm(shape_of(node_, {}));
      if (plan.gemm) text += " " + compile::describe(plan.gemm->problem);
    }
    return text + "\n";
  }

 private:
  using Extent = graph::Extent;
  const Node& node_;
  GemmChooser& chooser_;
};

}  // namespace

std::unique_ptr<Step> make_contract_step(const Node& node, GemmChooser& chooser) {
  return std::make_unique<ContractStep>(node, chooser);
}

}  // namespace trireme::compile
