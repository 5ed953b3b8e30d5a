// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>
#include <utility>

#include "trireme/compile/library/convolution.h"
#include "trireme/compile/program/library_steps.h"

namespace trireme::compile {
namespace {

using graph::Node;

class PreparedConvolution final : public PreparedStep {
 public:
  PreparedConvolution(const Node& node, const ConvolutionProblem& problem,
                      std::unique_ptr<Convolution> convolution)
      : node_(node), convolution_(std::move(convolution)) {
    for (size_t i = 0; i < 2; ++i) {
      offsets_[i] = static_cast<size_t>(problem.operands[i].offset) *
                    graph::size_of(problem.operands[i].dtype);
    }
    offsets_[2] = static_cast<size_t>(problem.result.offset) * graph::size_of(problem.result.dtype);
  }

  size_t scratch_bytes() const override { return convolution_->scratch_bytes(); }

  void run(const Frame& frame) const override {
    convolution_->run(frame.at(node_.operands[0].value) + offsets_[0],
                      frame.at(node_.operands[1].value) + offsets_[1],
                      frame.at(node_.results[0].value) + offsets_[2], frame.scratch);
  }

 private:
  const Node& node_;
  std::unique_ptr<Convolution> convolution_;
  size_t offsets_[3] = {};  // bytes
};

class ConvolveStep final : public Step {
 public:
  explicit ConvolveStep(const Node& node) : node_(node) {}

  StepAccess access() const override {
    return {{node_.operands[0].value, node_.operands[1].value},
            {{node_.results[0].value, node_.results[0].base}}};
  }

  std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const override {
    const ConvolutionProblem problem = problem_of(node_, symbols);
    ConvolutionResult made = make_convolution(problem, ConvolutionFormats::Preferred);
    if (!made.convolution)
      throw std::runtime_error("no library takes a convolution: " + made.reason);
    return std::make_unique<PreparedConvolution>(node_, problem, std::move(made.convolution));
  }

  double parallel_seconds(std::span<const int64_t> symbols) const override {
    return seconds_of(node_, symbols);
  }

  uint32_t call() const override { return node_.call; }
  std::string describe() const override { return "convolution\n"; }

 private:
  const Node& node_;
};

}  // namespace

std::unique_ptr<Step> make_convolve_step(const Node& node) {
  return std::make_unique<ConvolveStep>(node);
}

}  // namespace trireme::compile
