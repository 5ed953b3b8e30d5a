// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "trireme/base/openmp.h"
#include "trireme/compile/cluster/epilogue.h"
#include "trireme/compile/library/contract.h"
#include "trireme/compile/library/finish_after.h"
#include "trireme/compile/program/copy.h"
#include "trireme/compile/program/library_steps.h"
#include "trireme/compile/program/packed_form.h"

namespace trireme::compile {
namespace {

using graph::Node;

size_t align(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t bytes_of(const ContractCopy& copy, DType dtype) {
  size_t count = 1;
  for (const int64_t size : copy.sizes) count *= static_cast<size_t>(size);
  return align(count * graph::size_of(dtype));
}

// Rows up to which a packed weight is worth its memory. f32 on two cores with AVX-512, gained by
// packing: 50 % at 8 rows, 33 % at 32, 5 to 12 % at 128, 5 % at 256, 3 % at 512 and more.
constexpr int64_t kPackedRows = 256;
// Smaller weights stay in the caches.
constexpr int64_t kPackedBytes = 128 * 1024;

bool pays_packed(const ContractGemm& plan) {
  const GemmProblem& problem = plan.problem;
  return problem.batch.empty() && !plan.copy_b && problem.m <= kPackedRows &&
         problem.k * problem.n * static_cast<int64_t>(graph::size_of(problem.b.dtype)) >=
             kPackedBytes;
}

// A product, what ends it, and where everything lies.
struct Ended {
  const Node* contract = nullptr;
  const Node* map = nullptr;  // null: nothing does
  std::vector<EpilogueOp> epilogue{};

  const graph::Result& result() const { return (map != nullptr ? map : contract)->results[0]; }
  // The operands of the Map that are read, in the epilogue's order.
  std::vector<const graph::Operand*> others() const {
    std::vector<const graph::Operand*> found;
    for (const EpilogueOp& op : epilogue) {
      if (op.has_other()) found.push_back(&other_of(*map, op));
    }
    return found;
  }
};

// Whether it is one number for each column, or each row, as a bias is.
bool is_vector(const GemmMatrix& other, bool along_m) {
  const int64_t unit = along_m ? other.row_stride : other.column_stride;
  const int64_t same = along_m ? other.column_stride : other.row_stride;
  return unit == 1 && same == 0 &&
         std::ranges::all_of(other.batch_strides, [](int64_t stride) { return stride == 0; });
}

// Puts the epilogue into the problem; its first term is the bias where it can be one.
void add_epilogue(const std::vector<EpilogueOp>& epilogue, ContractGemm& gemm) {
  GemmProblem& problem = gemm.problem;
  size_t next = 0;
  for (const EpilogueOp& op : epilogue) {
    const GemmMatrix other = op.has_other() ? gemm.others[next++] : GemmMatrix{};
    const bool first = op.kind == EpilogueKind::Add && &op == &epilogue.front();
    if (first && (is_vector(other, false) || is_vector(other, true))) {
      problem.bias = GemmBias{other.dtype, is_vector(other, true)};
      continue;
    }
    problem.post_ops.push_back({post_op_of(op.kind), other});
  }
}

// A product for given sizes: as its operands lie, and once its weight has settled, with that
// packed.
class Product {
 public:
  Product(ContractGemm plan, std::unique_ptr<Gemm> gemm, std::optional<PackableInput> packable)
      : plan_(std::move(plan)),
        gemm_(std::move(gemm)),
        packed_(pays_packed(plan_) ? packable : std::nullopt) {}

  const ContractGemm& plan() const { return plan_; }
  bool packed() const { return packed_.get() != nullptr; }

  size_t scratch_bytes() const { return std::max(gemm_->scratch_bytes(), packed_.scratch_bytes()); }

  void run(GemmPointers pointers, const Frame& frame, std::byte* scratch, GemmChooser& chooser) {
    const uint64_t version = packed_.settled(frame);
    if (const auto weight = packed_.weight(version, pointers.b, plan_.b_offset, scratch)) {
      pointers.b = weight.get();
      packed_.get()->run(pointers, scratch);
      return;
    }
    gemm_->run(pointers, scratch);
    packed_.prepare(version, [&] {
      GemmProblem problem = plan_.problem;
      problem.packed_b = true;
      return chooser.make(problem).gemm;
    });
  }

 private:
  ContractGemm plan_;
  std::unique_ptr<Gemm> gemm_;
  PackedForm<Gemm> packed_;
};

class PreparedProduct final : public PreparedStep {
 public:
  PreparedProduct(const Ended& ended, std::shared_ptr<Product> product, GemmChooser& chooser)
      : node_(*ended.contract),
        result_(ended.result()),
        others_(ended.others()),
        product_(std::move(product)),
        chooser_(chooser) {
    const ContractGemm& plan = product_->plan();
    if (plan.copy_a) copy_a_bytes_ = bytes_of(*plan.copy_a, node_.operands[0].dtype);
    if (plan.copy_b) copy_b_bytes_ = bytes_of(*plan.copy_b, node_.operands[1].dtype);
  }

  size_t scratch_bytes() const override {
    return copy_a_bytes_ + copy_b_bytes_ + product_->scratch_bytes();
  }

  void run(const Frame& frame) const override {
    std::byte* scratch = frame.scratch;
    const ContractGemm& plan = product_->plan();
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
    pointers.a = operand(0, plan.a_offset, plan.copy_a, copy_a_bytes_);
    pointers.b = operand(1, plan.b_offset, plan.copy_b, copy_b_bytes_);
    pointers.c = frame.at(result_.value) +
                 static_cast<size_t>(plan.c_offset) * graph::size_of(result_.dtype);
    std::vector<const void*> others;
    for (size_t i = 0; i < others_.size(); ++i) {
      others.push_back(frame.at(others_[i]->value) + static_cast<size_t>(plan.other_offsets[i]) *
                                                         graph::size_of(others_[i]->dtype));
    }
    pointers.others = others;
    if (plan.problem.bias) {
      pointers.bias = others.front();
      pointers.others = pointers.others.subspan(1);
    }
    product_->run(pointers, frame, scratch, chooser_);
  }

 private:
  const Node& node_;
  const graph::Result& result_;
  std::vector<const graph::Operand*> others_;
  std::shared_ptr<Product> product_;
  GemmChooser& chooser_;
  size_t copy_a_bytes_ = 0;
  size_t copy_b_bytes_ = 0;
};

// Nothing to sum, or nowhere to put it: the result's elements are zero.
class PreparedZero final : public PreparedStep {
 public:
  // `result`: the node's, or of what ends it, which lies alike.
  PreparedZero(const Node& node, const graph::Result& result, std::span<const int64_t> symbols)
      : result_(result) {
    for (uint32_t i = 0; i < node.parallel; ++i) {
      sizes_.push_back(node.dims[i].evaluate(symbols));
      strides_.push_back(node.results[0].view.strides[i].evaluate(symbols));
    }
    offset_ = node.results[0].view.offset.evaluate(symbols);
  }

  void run(const Frame& frame) const override {
    const size_t size = graph::size_of(result_.dtype);
    fill_zero(frame.at(result_.value) + static_cast<size_t>(offset_) * size, sizes_, strides_,
              size);
  }

 private:
  const graph::Result& result_;
  std::vector<int64_t> sizes_;
  std::vector<int64_t> strides_;
  int64_t offset_ = 0;
};

double points_of(const Node& node, std::span<const int64_t> symbols) {
  double points = 1;
  for (const graph::Extent& dim : node.dims) points *= static_cast<double>(dim.evaluate(symbols));
  return points;
}

class ContractStep final : public Step {
 public:
  ContractStep(Ended ended, GemmChooser& chooser, bool tries, std::optional<PackableInput> packable)
      : ended_(std::move(ended)),
        node_(*ended_.contract),
        chooser_(chooser),
        tries_(tries),
        packable_(packable) {}

  StepAccess access() const override {
    StepAccess access{{node_.operands[0].value, node_.operands[1].value},
                      {{ended_.result().value, ended_.result().base}}};
    for (const graph::Operand* other : ended_.others()) access.reads.push_back(other->value);
    return access;
  }

  std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const override {
    const ContractShape shape = shape_of_ended(symbols);
    if (std::ranges::find(shape.dims, 0) != shape.dims.end()) {
      return std::make_unique<PreparedZero>(node_, ended_.result(), symbols);
    }
    ContractResult plan = plan_of(shape);
    if (!plan.gemm) throw std::runtime_error("a contraction is no product: " + plan.reason);
    // Most products of a graph whose sizes vary do not vary themselves.
    if (last_ && last_->plan() == *plan.gemm) {
      return std::make_unique<PreparedProduct>(ended_, last_, chooser_);
    }
    const GemmProblem& problem = plan.gemm->problem;
    const base::OneThread alone(seconds_of(node_, symbols) < base::kSerialSeconds);
    GemmResult made = chooser_.make(problem, tries_);
    if (!made.gemm) {
      made = finish_after(problem,
                          [&](const GemmProblem& plain) { return chooser_.make(plain, tries_); });
    }
    if (!made.gemm) {
      throw std::runtime_error("no library takes the product " + compile::describe(problem) + ": " +
                               made.reason);
    }
    last_ = std::make_shared<Product>(std::move(*plan.gemm), std::move(made.gemm), packable_);
    return std::make_unique<PreparedProduct>(ended_, last_, chooser_);
  }

  double parallel_seconds(std::span<const int64_t> symbols) const override {
    const double seconds = seconds_of(node_, symbols);
    return seconds < base::kSerialSeconds ? 0 : seconds;
  }

  uint32_t call() const override { return node_.call; }

  std::string describe() const override {
    std::string text = "product";
    if (std::ranges::all_of(node_.dims, &Extent::is_constant)) {
      const ContractResult plan = plan_of(shape_of_ended({}));
      if (plan.gemm) {
        const GemmProblem& problem = plan.gemm->problem;
        const size_t ops = problem.post_ops.size();
        text += " " + compile::describe(problem);
        if (problem.bias) text += ", bias";
        if (ops != 0) text += ", " + std::to_string(ops) + " post-ops";
      }
    }
    if (last_ && last_->packed()) text += ", packed";
    return text + "\n";
  }

 private:
  using Extent = graph::Extent;

  ContractShape shape_of_ended(std::span<const int64_t> symbols) const {
    ContractShape shape = shape_of(node_, symbols);
    shape.result.dtype = ended_.result().dtype;
    for (const graph::Operand* other : ended_.others()) {
      auto& tensor = shape.others.emplace_back();
      tensor.dtype = other->dtype;
      tensor.offset = other->view.offset.evaluate(symbols);
      const graph::Extents strides = along_results(node_, *ended_.map, other->view).value();
      for (const Extent& stride : strides) tensor.strides.push_back(stride.evaluate(symbols));
    }
    return shape;
  }

  ContractResult plan_of(const ContractShape& shape) const {
    ContractResult plan = contract_to_gemm(shape);
    if (plan.gemm) add_epilogue(ended_.epilogue, *plan.gemm);
    return plan;
  }

  Ended ended_;
  const Node& node_;
  GemmChooser& chooser_;
  bool tries_;
  std::optional<PackableInput> packable_;
  mutable std::shared_ptr<Product> last_;  // for the sizes prepared last
};

}  // namespace

double seconds_of(const Node& node, std::span<const int64_t> symbols) {
  double bytes = 0;
  for (const graph::Operand& operand : node.operands) {
    auto moved = static_cast<double>(graph::size_of(operand.dtype));
    for (size_t i = 0; i < operand.view.sizes.size(); ++i) {
      if (operand.view.strides[i].evaluate(symbols) == 0) continue;
      moved *= static_cast<double>(operand.view.sizes[i].evaluate(symbols));
    }
    bytes += moved;
  }
  return base::product_seconds(2 * points_of(node, symbols), bytes);
}

std::optional<PackableInput> packable_input(const graph::Graph& graph, const Node& node,
                                            PackedWeights& weights) {
  const auto found = std::ranges::find(graph.inputs, node.operands[1].value);
  if (found == graph.inputs.end()) return std::nullopt;
  const auto input = static_cast<uint32_t>(found - graph.inputs.begin());
  const bool written = std::ranges::find(graph.outputs, std::optional(input),
                                         &graph::Output::input) != graph.outputs.end();
  if (written) return std::nullopt;
  return PackableInput{input, &weights};
}

std::unique_ptr<Step> make_contract_step(const graph::Graph& graph, std::span<const uint32_t> nodes,
                                         GemmChooser& chooser, bool tries,
                                         std::optional<PackableInput> packable) {
  Ended ended{&graph.nodes[nodes[0]]};
  if (nodes.size() > 1) {
    ended.map = &graph.nodes[nodes[1]];
    ended.epilogue = library_epilogue(*ended.contract, *ended.map).value();
  }
  return std::make_unique<ContractStep>(std::move(ended), chooser, tries, packable);
}

}  // namespace trireme::compile
