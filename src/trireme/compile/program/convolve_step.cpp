// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "trireme/compile/cluster/epilogue.h"
#include "trireme/compile/library/convolution.h"
#include "trireme/compile/program/library_steps.h"
#include "trireme/compile/program/packed_form.h"

namespace trireme::compile {
namespace {

using graph::Node;

bool is_channels_last(const ConvolutionProblem::Tensor& tensor) {
  return tensor.sizes[1] > 1 && tensor.strides[1] == 1 && tensor.strides.back() != 1;
}

bool is_depthwise(const ConvolutionProblem& problem) {
  return problem.groups > 1 && problem.groups == problem.operands[0].sizes[1];
}

// In place, where its activations have their channels innermost: reordering one of them costs less
// than reordering all. Gradients of depthwise weights are four times as fast so.
ConvolutionResult make(const ConvolutionProblem& problem) {
  const bool in_place = is_channels_last(problem.operands[0]) ||
                        is_channels_last(problem.operands[1]) || is_channels_last(problem.result);
  if (in_place || (problem.kind == graph::ConvolveKind::GradWeight && is_depthwise(problem))) {
    ConvolutionResult made = make_convolution(problem, ConvolutionFormats::ChannelsLast);
    if (made.convolution) return made;
  }
  return make_convolution(problem, ConvolutionFormats::Preferred);
}

// A value and where in it a tensor begins.
struct Place {
  graph::ValueId value = graph::kNoValue;
  size_t offset = 0;  // bytes
};

Place place_of(graph::ValueId value, const ConvolutionProblem::Tensor& tensor) {
  return {value, static_cast<size_t>(tensor.offset) * graph::size_of(tensor.dtype)};
}

// Points of the convolution (batch times positions of its small side) up to which a weight that
// stays the same is worth a second copy. Bringing an element of it to a kernel's format costs
// 1.4 ns, its multiplications 0.01 ns a point: more than 1 % below this many.
constexpr int64_t kPackedPoints = 14'000;

bool pays_packed(const ConvolutionProblem& problem) {
  if (problem.kind == graph::ConvolveKind::GradWeight) return false;
  const bool first_is_small = problem.transposed == (problem.kind == graph::ConvolveKind::Forward);
  const ConvolutionProblem::Tensor& small = first_is_small ? problem.operands[0] : problem.result;
  int64_t points = small.sizes[0];
  for (size_t i = 2; i < small.sizes.size(); ++i) points *= small.sizes[i];
  return points <= kPackedPoints;
}

// For given sizes: as the operands lie, and once the weight has settled, with that packed.
class PreparedConvolution final : public PreparedStep {
 public:
  // `packed`: set when a run reads a packed weight.
  PreparedConvolution(ConvolutionProblem problem, std::unique_ptr<Convolution> convolution,
                      std::array<Place, 3> places, std::vector<Place> others,
                      std::optional<PackableInput> packable, std::atomic<bool>& packed)
      : problem_(std::move(problem)),
        convolution_(std::move(convolution)),
        places_(places),
        others_(std::move(others)),
        packed_(pays_packed(problem_) ? packable : std::nullopt),
        was_packed_(packed) {}

  size_t scratch_bytes() const override {
    return std::max(convolution_->scratch_bytes(), packed_.scratch_bytes());
  }

  void run(const Frame& frame) const override {
    const auto at = [&](const Place& place) { return frame.at(place.value) + place.offset; };
    const std::byte* weight = at(places_[1]);
    std::vector<const void*> others;
    for (const Place& other : others_) others.push_back(at(other));
    const uint64_t version = packed_.settled(frame);
    const auto offset = static_cast<int64_t>(places_[1].offset);
    if (const auto packed = packed_.weight(version, weight, offset, frame.scratch)) {
      packed_.get()->run(at(places_[0]), packed.get(), at(places_[2]), others, frame.scratch);
      was_packed_ = true;
      return;
    }
    convolution_->run(at(places_[0]), weight, at(places_[2]), others, frame.scratch);
    packed_.prepare(version, [&] {
      ConvolutionProblem problem = problem_;
      problem.packed_weight = true;
      return make(problem).convolution;
    });
  }

 private:
  const ConvolutionProblem problem_;
  std::unique_ptr<Convolution> convolution_;
  std::array<Place, 3> places_;  // of the operands and the result
  std::vector<Place> others_;    // of the post-ops
  mutable PackedForm<Convolution> packed_;
  std::atomic<bool>& was_packed_;
};

class ConvolveStep final : public Step {
 public:
  ConvolveStep(const graph::Graph& graph, std::span<const uint32_t> nodes,
               std::optional<PackableInput> packable)
      : node_(graph.nodes[nodes[0]]), packable_(packable) {
    if (nodes.size() < 2) return;
    map_ = &graph.nodes[nodes[1]];
    epilogue_ = library_epilogue(node_, *map_).value();
  }

  StepAccess access() const override {
    StepAccess access{{node_.operands[0].value, node_.operands[1].value}, {}};
    const graph::Result& result = map_ != nullptr ? map_->results[0] : node_.results[0];
    access.writes.push_back({result.value, result.base});
    for (const EpilogueOp& op : epilogue_) {
      if (const graph::Operand* other = other_of(op)) access.reads.push_back(other->value);
    }
    return access;
  }

  std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const override {
    ConvolutionProblem problem = problem_of(node_, symbols);
    const graph::ValueId result = (map_ != nullptr ? *map_ : node_).results[0].value;
    const std::array<Place, 3> places = {place_of(node_.operands[0].value, problem.operands[0]),
                                         place_of(node_.operands[1].value, problem.operands[1]),
                                         place_of(result, problem.result)};
    std::vector<Place> others;
    for (const EpilogueOp& op : epilogue_) {
      ConvolutionPostOp post{post_op_of(op.kind)};
      if (const graph::Operand* other = other_of(op)) {
        post.other = tensor_of(*other, problem.result, symbols);
        others.push_back(place_of(other->value, post.other));
      }
      problem.post_ops.push_back(std::move(post));
    }
    ConvolutionResult made = make(problem);
    if (!made.convolution)
      throw std::runtime_error("no library takes a convolution: " + made.reason);
    return std::make_unique<PreparedConvolution>(std::move(problem), std::move(made.convolution),
                                                 places, std::move(others), packable_, packed_);
  }

  double parallel_seconds(std::span<const int64_t> symbols) const override {
    return seconds_of(node_, symbols);
  }

  uint32_t call() const override { return node_.call; }
  std::string describe() const override {
    std::string text = "convolution";
    if (!epilogue_.empty()) text += ", " + std::to_string(epilogue_.size()) + " post-ops";
    if (packed_) text += ", packed";
    return text + "\n";
  }

 private:
  // The operand of the Map that a post-op reads; null: none.
  const graph::Operand* other_of(const EpilogueOp& op) const {
    return op.has_other() ? &compile::other_of(*map_, op) : nullptr;
  }

  ConvolutionProblem::Tensor tensor_of(const graph::Operand& operand,
                                       const ConvolutionProblem::Tensor& result,
                                       std::span<const int64_t> symbols) const {
    const graph::Extents strides = along_results(node_, *map_, operand.view).value();
    ConvolutionProblem::Tensor tensor{
        operand.dtype, result.sizes, {}, operand.view.offset.evaluate(symbols)};
    for (size_t i = 0; i < strides.size(); ++i) {
      tensor.strides.push_back(strides[i].evaluate(symbols));
      if (tensor.strides[i] == 0) tensor.sizes[i] = 1;
    }
    return tensor;
  }

  const Node& node_;
  const Node* map_ = nullptr;
  std::vector<EpilogueOp> epilogue_{};
  std::optional<PackableInput> packable_;
  mutable std::atomic<bool> packed_ = false;  // for some sizes
};

}  // namespace

PostOpKind post_op_of(EpilogueKind kind) {
  switch (kind) {
    case EpilogueKind::Multiply:
      return PostOpKind::Multiply;
    case EpilogueKind::Add:
      return PostOpKind::Add;
    case EpilogueKind::Relu:
      return PostOpKind::Relu;
    case EpilogueKind::Silu:
      return PostOpKind::Silu;
    case EpilogueKind::Sigmoid:
      return PostOpKind::Sigmoid;
    case EpilogueKind::Tanh:
      return PostOpKind::Tanh;
    case EpilogueKind::GeluErf:
      return PostOpKind::GeluErf;
    case EpilogueKind::Subtract:
      break;
  }
  throw std::logic_error("no post-op subtracts");
}

std::unique_ptr<Step> make_convolve_step(const graph::Graph& graph, std::span<const uint32_t> nodes,
                                         std::optional<PackableInput> packable) {
  return std::make_unique<ConvolveStep>(graph, nodes, packable);
}

}  // namespace trireme::compile
