// SPDX-License-Identifier: Apache-2.0
// Convolutions by oneDNN: forward, gradient of the input, gradient of the weight; grouped, dilated,
// transposed; 1 to 3 spatial dimensions; f32, bf16, f16 (computed in f32 where the processor has no
// f16 arithmetic). Prepared once, run many times, on memory of the caller's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/library/post_op.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

struct ConvolutionTensor {
  graph::DType dtype = graph::DType::Float32;
  std::vector<int64_t> sizes{};
  std::vector<int64_t> strides{};  // elements; any order of dimensions, channels last too
  int64_t offset = 0;              // elements; not part of the problem, the caller adds it
};

struct ConvolutionPostOp {
  PostOpKind kind = PostOpKind::Relu;
  // Of Multiply and Add: sizes of the result, or 1 where it is repeated.
  ConvolutionTensor other{};
};

// A Convolve node with the values of its symbols. Sizes as the node's views have them:
// [N, C, spatial...] and [Cout, C / groups, kernel...] (transposed: [C, Cout / groups, kernel...]).
struct ConvolutionProblem {
  using Tensor = ConvolutionTensor;
  graph::ConvolveKind kind = graph::ConvolveKind::Forward;
  std::array<Tensor, 2> operands{};  // in the node's order
  Tensor result{};
  std::vector<int64_t> stride{};
  std::vector<int64_t> padding{};
  std::vector<int64_t> dilation{};
  int64_t groups = 1;
  bool transposed = false;
  std::vector<ConvolutionPostOp> post_ops{};  // of Forward, in this order
  // The second operand, which is the weight (not of GradWeight), is given as pack() has written it.
  bool packed_weight = false;
};

// `node` is a Convolve.
ConvolutionProblem problem_of(const graph::Node& node, std::span<const int64_t> symbols);

// In which formats the kernel sees the tensors. Those that are not so are reordered in the scratch.
enum class ConvolutionFormats : uint8_t {
  AsGiven,       // activations in place; only the weight may be reordered
  ChannelsLast,  // activations with channels innermost
  Preferred,     // what oneDNN asks for, which is mostly blocked
};

class Convolution {
 public:
  Convolution() = default;
  Convolution(const Convolution&) = delete;
  Convolution& operator=(const Convolution&) = delete;
  virtual ~Convolution() = default;

  // Pointers to the elements at the views' offsets; `others`: one for each Multiply and Add;
  // `scratch`: scratch_bytes() bytes, aligned to 64. All of the result is written, which may not
  // overlap what is read. Runs may be concurrent, each with its own scratch. Uses as many threads
  // as OpenMP had when this was made.
  virtual void run(const void* first, const void* second, void* result,
                   std::span<const void* const> others, std::byte* scratch) const = 0;
  virtual size_t scratch_bytes() const = 0;

  // Of a problem with packed_weight: brings the weight (as the problem's operand says) to the
  // kernel's format. `packed` is packed_bytes() bytes, aligned to 64.
  virtual size_t packed_bytes() const = 0;
  virtual void pack(const void* weight, std::byte* packed, std::byte* scratch) const = 0;
  // Names that format, and the one that it is brought from.
  virtual std::string packed_format() const = 0;

  virtual std::string description() const = 0;  // kernel, reorders, what is not fused
};

struct ConvolutionResult {
  std::unique_ptr<Convolution> convolution;
  std::string reason;  // why there is none
};

// With packed_weight there is none where the kernel reads the weight as it lies.
ConvolutionResult make_convolution(const ConvolutionProblem& problem, ConvolutionFormats formats);

}  // namespace trireme::compile
