// SPDX-License-Identifier: Apache-2.0
// The small side S (a convolution's output, a transposed one's input) and the large side L: tap k
// of S's position s touches L's position s * stride - padding + k * dilation. The weight is
// [channels of S, channels of L in a group, taps...] for both kinds of convolution. So there are
// three computations, oneDNN's three: S from L (forward), L from S (backward data), the weight.
#include "trireme/compile/library/convolution.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "trireme/base/errors.h"
#include "trireme/compile/library/onednn_program.h"

namespace trireme::compile {
namespace {

using dnnl::memory;
using graph::ConvolveKind;
using onednn::Program;
using Tensor = ConvolutionProblem::Tensor;

enum class Computes : uint8_t { Small, Large, Weight };

struct Sides {
  Computes computes = Computes::Small;
  const Tensor* small = nullptr;
  const Tensor* large = nullptr;
  const Tensor* weight = nullptr;
};

Sides sides_of(const ConvolutionProblem& problem) {
  const Tensor& first = problem.operands[0];
  const Tensor& second = problem.operands[1];
  if (problem.kind == ConvolveKind::GradWeight) {
    // (grad of output, input)
    if (problem.transposed) return {Computes::Weight, &second, &first, &problem.result};
    return {Computes::Weight, &first, &second, &problem.result};
  }
  if ((problem.kind == ConvolveKind::Forward) != problem.transposed) {
    return {Computes::Small, &problem.result, &first, &second};
  }
  return {Computes::Large, &first, &problem.result, &second};
}

memory::desc given(const Tensor& tensor) {
  memory::dims strides = tensor.strides;
  // The stride of a dimension of size 1 is free; a plausible one avoids slow paths.
  for (size_t i = 0; i < strides.size(); ++i) {
    if (tensor.sizes[i] != 1) continue;
    int64_t extent = 1;
    for (size_t j = 0; j < strides.size(); ++j) {
      if (tensor.sizes[j] > 1 && j > i) {
        extent = std::max(extent, tensor.sizes[j] * tensor.strides[j]);
      }
    }
    strides[i] = extent;
  }
  return memory::desc(tensor.sizes, *onednn::data_type(tensor.dtype), strides);
}

// The weight with its groups as a dimension of their own.
memory::desc given_weight(const Tensor& weight, int64_t groups) {
  if (groups == 1) return given(weight);
  Tensor grouped = weight;
  grouped.sizes[0] /= groups;
  grouped.sizes.insert(grouped.sizes.begin(), groups);
  grouped.strides.insert(grouped.strides.begin(), grouped.sizes[1] * weight.strides[0]);
  return given(grouped);
}

memory::desc channels_last(const memory::desc& like, memory::data_type type) {
  const memory::dims sizes = like.get_dims();
  memory::dims strides(sizes.size());
  int64_t stride = sizes[1];
  for (size_t i = sizes.size(); i-- > 2;) {
    strides[i] = stride;
    stride *= sizes[i];
  }
  strides[1] = 1;
  strides[0] = stride;
  return memory::desc(sizes, type, strides);
}

dnnl::primitive_attr attributes_of(std::span<const ConvolutionPostOp> ops) {
  dnnl::post_ops list;
  for (const ConvolutionPostOp& op : ops) {
    if (has_other(op.kind)) {
      list.append_binary(onednn::algorithm_of(op.kind), given(op.other));
    } else {
      list.append_eltwise(onednn::algorithm_of(op.kind), onednn::alpha_of(op.kind), 0);
    }
  }
  dnnl::primitive_attr attributes = Program::attributes();
  attributes.set_post_ops(list);
  return attributes;
}

// oneDNN brings weights to the formats of its kernels named brg at about this rate; to those of the
// others ten times as fast. Measured on AVX-512, 2 cores.
constexpr double kSlowReorder = 1.4e-9;  // seconds per element
constexpr double kRate = 2e11;           // operations per second, about
constexpr double kCounts = 0.02;         // of the convolution's time

// Whether the reorder counts for more than what these kernels are faster.
bool reorder_counts(const ConvolutionProblem& problem, const Sides& sides) {
  double weights = 1;
  for (const int64_t size : sides.weight->sizes) weights *= static_cast<double>(size);
  double points = static_cast<double>(sides.small->sizes[0]);
  for (size_t i = 2; i < sides.small->sizes.size(); ++i) {
    points *= static_cast<double>(sides.small->sizes[i]);
  }
  return problem.groups == 1 && weights * kSlowReorder > kCounts * 2 * weights * points / kRate;
}

// Goes on to the first kernel of the other kind, if oneDNN has one but for loops.
template <class Desc>
void take_cheap_weights(Desc& desc) {
  const auto is = [](const Desc& one, const char* part) {
    return std::string(one.impl_info_str()).find(part) != std::string::npos;
  };
  if (!is(desc, "brg")) return;
  Desc other = desc;
  while (other.next_impl()) {
    if (is(other, "brg")) continue;
    if (is(other, "jit") && !is(other, "gemm") && !is(other, "ref")) desc = other;
    return;
  }
}

class OneDnnConvolution final : public Convolution {
 public:
  struct How {
    bool narrow = true;  // computes in the operands' type, where the processor has fast kernels
    bool fuses = true;   // post-ops are the convolution's own, else steps after it
  };
  // Throws dnnl::error where oneDNN has no such kernel; `slow` is set where it has but a loop.
  OneDnnConvolution(const ConvolutionProblem& problem, ConvolutionFormats formats, How how,
                    bool& slow);

  void run(const void* first, const void* second, void* result, std::span<const void* const> others,
           std::byte* scratch) const override {
    // oneDNN's interface takes no pointers to const
    std::vector<void*> pointers{const_cast<void*>(first), const_cast<void*>(second), result};
    for (const void* other : others) pointers.push_back(const_cast<void*>(other));
    program_.run(pointers, scratch);
  }
  size_t scratch_bytes() const override {
    return std::max(program_.scratch_bytes(), packing_ ? packing_->scratch_bytes() : 0);
  }
  size_t packed_bytes() const override { return packing_ ? packing_->bytes() : 0; }
  void pack(const void* weight, std::byte* packed, std::byte* scratch) const override {
    if (!packing_) {
      throw Error("Convolution::pack: " + description_ +
                  " was made without packing; set ConvolutionProblem::packed_weight");
    }
    packing_->run(weight, packed, scratch);
  }
  std::string packed_format() const override {
    return packing_ ? packing_->format() : std::string();
  }
  std::string description() const override { return description_; }

 private:
  size_t read(size_t slot, const memory::desc& wanted) {
    if (program_.desc(slot) == wanted) return slot;
    ++reorders_;
    return program_.converted(slot, wanted);
  }

  void add_post_ops(std::span<const ConvolutionPostOp> ops, const Program::Arguments& others,
                    size_t result);

  Program program_;
  std::optional<onednn::Packing> packing_;
  int reorders_ = 0;
  std::string description_;
};

OneDnnConvolution::OneDnnConvolution(const ConvolutionProblem& problem, ConvolutionFormats formats,
                                     How how, bool& slow) {
  const Sides sides = sides_of(problem);
  const memory::desc small = given(*sides.small);
  const memory::desc large = given(*sides.large);
  const memory::desc weight = given_weight(*sides.weight, problem.groups);
  const size_t rank = problem.stride.size();

  memory::dims dilation;
  memory::dims right;
  for (size_t i = 0; i < rank; ++i) {
    dilation.push_back(problem.dilation[i] - 1);  // oneDNN counts the gaps
    const int64_t reach = problem.dilation[i] * (sides.weight->sizes[i + 2] - 1) + 1;
    right.push_back((sides.small->sizes[i + 2] - 1) * problem.stride[i] + reach -
                    sides.large->sizes[i + 2] - problem.padding[i]);
  }

  // One type for the operands; a gradient of the weight or a result may stay f32.
  const auto computes_in = [&](const Tensor& tensor) {
    const bool all = how.narrow && problem.operands[0].dtype == problem.operands[1].dtype &&
                     onednn::has_fast(problem.operands[0].dtype);
    const bool fits = all && (problem.result.dtype == problem.operands[0].dtype ||
                              problem.result.dtype == graph::DType::Float32);
    return fits ? *onednn::data_type(tensor.dtype) : memory::data_type::f32;
  };
  const auto wish = [&](const memory::desc& desc, const Tensor& tensor) {
    const memory::data_type type = computes_in(tensor);
    if (formats == ConvolutionFormats::Preferred) {
      return memory::desc(desc.get_dims(), type, memory::format_tag::any);
    }
    if (formats == ConvolutionFormats::ChannelsLast) return channels_last(desc, type);
    if (type == desc.get_data_type()) return desc;
    return memory::desc(desc.get_dims(), type, onednn::dense_strides(desc.get_dims()));
  };
  const memory::desc small_wish = wish(small, *sides.small);
  const memory::desc large_wish = wish(large, *sides.large);
  const memory::desc weight_wish(weight.get_dims(), computes_in(*sides.weight),
                                 memory::format_tag::any);

  const size_t first = program_.outer(sides.computes == Computes::Small   ? large
                                      : sides.computes == Computes::Large ? small
                                      : problem.transposed                ? large
                                                                          : small);
  const size_t second = program_.outer(sides.computes != Computes::Weight ? weight
                                       : problem.transposed               ? small
                                                                          : large);
  const size_t result = program_.outer(sides.computes == Computes::Small   ? small
                                       : sides.computes == Computes::Large ? large
                                                                           : weight);

  const dnnl::algorithm algorithm = dnnl::algorithm::convolution_direct;
  const std::span<const ConvolutionPostOp> post_ops = problem.post_ops;
  const dnnl::primitive_attr attributes =
      attributes_of(how.fuses ? post_ops : std::span<const ConvolutionPostOp>());
  Program::Arguments others;
  for (size_t i = 0; i < post_ops.size(); ++i) {
    if (!has_other(post_ops[i].kind)) continue;
    others.emplace_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(static_cast<int>(i)) | DNNL_ARG_SRC_1,
                        program_.outer(given(post_ops[i].other)));
  }
  const bool cheap_weights = !problem.packed_weight && reorder_counts(problem, sides);
  dnnl::convolution_forward::primitive_desc forward(
      onednn::engine(),
      sides.computes == Computes::Small ? dnnl::prop_kind::forward_inference
                                        : dnnl::prop_kind::forward_training,
      algorithm, large_wish, weight_wish, small_wish, problem.stride, dilation, problem.padding,
      right, attributes);

  // Adds the computation, its operands brought to its formats and its result back from them.
  const auto compute = [&](const dnnl::primitive& primitive, const dnnl::primitive_desc& desc,
                           const memory::desc& first_format, int first_argument,
                           const memory::desc& second_format, int second_argument,
                           const memory::desc& result_format, int result_argument) {
    if (problem.packed_weight && program_.desc(second) != second_format) {
      packing_.emplace(program_.desc(second), second_format);
      program_.replace(second, second_format);  // from now on the slot holds what pack() writes
    }
    Program::Arguments arguments{{first_argument, read(first, first_format)},
                                 {second_argument, read(second, second_format)}};
    const bool in_place = program_.desc(result) == result_format;
    const size_t to = in_place ? result : program_.scratch(result_format);
    arguments.emplace_back(result_argument, to);
    if (how.fuses) arguments.insert(arguments.end(), others.begin(), others.end());
    program_.add(primitive, desc, std::move(arguments));
    if (!in_place) {
      ++reorders_;
      program_.add_reorder(to, result);
    }
  };
  std::string kernel;
  const auto fast = [&](const dnnl::primitive_desc_base& desc) {
    kernel = desc.impl_info_str();
    slow = kernel.find("ref") != std::string::npos;
    return !slow;
  };
  if (sides.computes == Computes::Small) {
    if (cheap_weights) take_cheap_weights(forward);
    if (!fast(forward)) return;
    compute(dnnl::convolution_forward(forward), forward, forward.src_desc(), DNNL_ARG_SRC,
            forward.weights_desc(), DNNL_ARG_WEIGHTS, forward.dst_desc(), DNNL_ARG_DST);
  } else if (sides.computes == Computes::Large) {
    dnnl::convolution_backward_data::primitive_desc backward(
        onednn::engine(), algorithm, large_wish, weight_wish, small_wish, problem.stride, dilation,
        problem.padding, right, forward, attributes);
    if (cheap_weights) take_cheap_weights(backward);
    if (!fast(backward)) return;
    compute(dnnl::convolution_backward_data(backward), backward, backward.diff_dst_desc(),
            DNNL_ARG_DIFF_DST, backward.weights_desc(), DNNL_ARG_WEIGHTS, backward.diff_src_desc(),
            DNNL_ARG_DIFF_SRC);
  } else {
    const dnnl::convolution_backward_weights::primitive_desc backward(
        onednn::engine(), algorithm, large_wish, weight_wish, small_wish, problem.stride, dilation,
        problem.padding, right, forward, attributes);
    if (!fast(backward)) return;
    const bool large_first = problem.transposed;
    compute(dnnl::convolution_backward_weights(backward), backward,
            large_first ? backward.src_desc() : backward.diff_dst_desc(),
            large_first ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST,
            large_first ? backward.diff_dst_desc() : backward.src_desc(),
            large_first ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, backward.diff_weights_desc(),
            DNNL_ARG_DIFF_WEIGHTS);
  }
  if (!how.fuses) add_post_ops(post_ops, others, result);
  program_.finish();
  description_ = "onednn " + kernel + ", " + std::to_string(reorders_) + " reorders";
  if (packing_) description_ += ", packed weight";
  if (!post_ops.empty()) {
    description_ += ", " + std::to_string(post_ops.size()) + " post-ops";
    if (!how.fuses) description_ += " after it";
  }
}

// In the result, one after the other.
void OneDnnConvolution::add_post_ops(std::span<const ConvolutionPostOp> ops,
                                     const Program::Arguments& others, size_t result) {
  auto other = others.begin();
  const memory::desc desc = program_.desc(result);
  for (const ConvolutionPostOp& op : ops) {
    if (has_other(op.kind)) {
      const dnnl::binary::primitive_desc binary(onednn::engine(), onednn::algorithm_of(op.kind),
                                                desc, given(op.other), desc, Program::attributes());
      program_.add(
          dnnl::binary(binary), binary,
          {{DNNL_ARG_SRC_0, result}, {DNNL_ARG_SRC_1, other++->second}, {DNNL_ARG_DST, result}});
    } else {
      const dnnl::eltwise_forward::primitive_desc eltwise(
          onednn::engine(), dnnl::prop_kind::forward_inference, onednn::algorithm_of(op.kind), desc,
          desc, onednn::alpha_of(op.kind), 0, Program::attributes());
      program_.add(dnnl::eltwise_forward(eltwise), eltwise,
                   {{DNNL_ARG_SRC, result}, {DNNL_ARG_DST, result}});
    }
  }
}

std::string refuse(const ConvolutionProblem& problem) {
  if (problem.kind != ConvolveKind::Forward && !problem.post_ops.empty()) {
    return "post-ops of a gradient";
  }
  if (problem.kind == ConvolveKind::GradWeight && problem.packed_weight) {
    return "the weight is what it computes";
  }
  const size_t rank = problem.stride.size();
  if (rank < 1 || rank > 3) return "oneDNN convolves over 1 to 3 dimensions";
  for (const Tensor* tensor : {&problem.operands[0], &problem.operands[1], &problem.result}) {
    if (!onednn::data_type(tensor->dtype)) {
      return "oneDNN has no convolution of " + std::string(name_of(tensor->dtype));
    }
    if (tensor->sizes.size() != rank + 2) return "a tensor's rank is not that of the convolution";
    for (size_t i = 0; i < tensor->sizes.size(); ++i) {
      if (tensor->sizes[i] <= 0) return "a size is zero";
      if (tensor->sizes[i] > 1 && tensor->strides[i] <= 0) {
        return "a tensor repeats its elements or runs backwards";
      }
    }
  }
  return {};
}

}  // namespace

ConvolutionProblem problem_of(const graph::Node& node, std::span<const int64_t> symbols) {
  const auto& convolve = *node.as<graph::Convolve>();
  const auto evaluate = [symbols](const graph::Extents& extents) {
    std::vector<int64_t> values;
    values.reserve(extents.size());
    for (const graph::Extent& extent : extents) values.push_back(extent.evaluate(symbols));
    return values;
  };
  const auto tensor = [&](graph::DType dtype, const graph::View& view) {
    return Tensor{dtype, evaluate(view.sizes), evaluate(view.strides),
                  view.offset.evaluate(symbols)};
  };
  ConvolutionProblem problem;
  problem.kind = convolve.kind;
  for (size_t i = 0; i < 2; ++i) {
    problem.operands[i] = tensor(node.operands[i].dtype, node.operands[i].view);
  }
  problem.result = tensor(node.results[0].dtype, node.results[0].view);
  problem.stride = evaluate(convolve.stride);
  problem.padding = evaluate(convolve.padding);
  problem.dilation = evaluate(convolve.dilation);
  problem.groups = convolve.groups.evaluate(symbols);
  problem.transposed = convolve.transposed;
  return problem;
}

ConvolutionResult make_convolution(const ConvolutionProblem& problem, ConvolutionFormats formats) {
  if (std::string reason = refuse(problem); !reason.empty()) return {nullptr, std::move(reason)};
  std::string reason = "oneDNN has but a reference loop for this convolution in these formats";
  const bool narrow = problem.operands[0].dtype != graph::DType::Float32 &&
                      onednn::has_fast(problem.operands[0].dtype);
  // Last in f32: there are processors with f16 arithmetic for which oneDNN has no f16 convolution.
  for (const auto& [computes_narrow, fuses] :
       {std::pair(true, true), {true, false}, {false, true}, {false, false}}) {
    if ((!fuses && problem.post_ops.empty()) || (!computes_narrow && !narrow)) continue;
    try {
      bool slow = false;
      auto convolution = std::make_unique<OneDnnConvolution>(
          problem, formats, OneDnnConvolution::How{computes_narrow, fuses}, slow);
      if (!slow && problem.packed_weight && convolution->packed_bytes() == 0) {
        return {nullptr, "the kernel reads the weight as it lies"};
      }
      if (!slow) return {std::move(convolution), {}};
    } catch (const dnnl::error& error) {
      reason = std::string("oneDNN: ") + error.what();
    }
  }
  return {nullptr, std::move(reason)};
}

}  // namespace trireme::compile
