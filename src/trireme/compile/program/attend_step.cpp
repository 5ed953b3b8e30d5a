// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/program/attend_step.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <stdexcept>
#include <utility>

#include "trireme/base/openmp.h"
#include "trireme/compile/attend/attend.h"

namespace trireme::compile {
namespace {

using graph::Attend;
using graph::Node;

// Seconds of one thread, roughly, below which a second one costs more than it does.
constexpr double kSerialSeconds = 20e-6;
constexpr double kFlopsPerSecond = 1e11;
constexpr double kBytesPerSecond = 20e9;

// Tensors of a problem, in the order of the node's operands and results.
using Place = AttendTensor AttendProblem::*;
constexpr std::array<Place, 4> kForwardOperands = {&AttendProblem::query, &AttendProblem::key,
                                                   &AttendProblem::value, &AttendProblem::mask};
constexpr std::array<Place, 2> kForwardResults = {&AttendProblem::out, &AttendProblem::logarithm};
constexpr std::array<Place, 7> kBackwardOperands = {
    &AttendProblem::grad_out, &AttendProblem::query,     &AttendProblem::key, &AttendProblem::value,
    &AttendProblem::out,      &AttendProblem::logarithm, &AttendProblem::mask};
constexpr std::array<Place, 3> kBackwardResults = {
    &AttendProblem::grad_query, &AttendProblem::grad_key, &AttendProblem::grad_value};

Place operand_place(bool backward, size_t i) {
  return backward ? kBackwardOperands.at(i) : kForwardOperands.at(i);
}

Place result_place(bool backward, size_t i) {
  return backward ? kBackwardResults.at(i) : kForwardResults.at(i);
}

// But for tensors, of which only the keys' dtype is told.
AttendProblem problem_of(const Node& node, std::span<const int64_t> symbols) {
  const Attend& attend = *node.as<Attend>();
  AttendProblem p;
  p.backward = attend.backward;
  p.causal = attend.causal;
  p.masked = attend.masked;
  p.scale = static_cast<float>(attend.scale.constant);
  const size_t first = attend.backward ? 1 : 0;
  const auto size = [&](size_t operand, size_t dim) {
    return node.operands[first + operand].view.sizes[dim].evaluate(symbols);
  };
  p.batch = size(0, 0);
  p.heads = size(0, 1);
  p.rows = size(0, 2);
  p.depth = size(0, 3);
  p.groups = size(1, 1);
  p.columns = size(1, 2);
  p.width = size(2, 3);
  p.key.dtype = node.operands[first + 1].dtype;
  if (p.groups == 0 ? p.heads != 0 : p.heads % p.groups != 0) {
    throw std::runtime_error("the query's heads are no multiple of the key's");
  }
  return p;
}

// Of one thread, where more are worth while; else 0.
double parallel_seconds_of(const AttendProblem& p) {
  const auto keys = static_cast<double>(p.batch * p.groups * p.columns * (p.depth + p.width));
  const double flops = (p.backward ? 5 : 2) * keys *
                       static_cast<double>(p.rows * (p.groups == 0 ? 0 : p.heads_per_group())) *
                       (p.causal ? 0.5 : 1);
  const double bytes = keys * static_cast<double>(graph::size_of(p.key.dtype));
  const double seconds = flops / kFlopsPerSecond + bytes / kBytesPerSecond;
  return seconds < kSerialSeconds ? 0 : seconds;
}

// A tensor, and where it begins in its value.
struct PlacedTensor {
  Place place;
  ValueId value;
  int64_t offset;  // bytes
};

class PreparedAttend final : public PreparedStep {
 public:
  PreparedAttend(const Node& node, std::span<const int64_t> symbols)
      : attend_(*node.as<Attend>()),
        kernels_(attend_kernels()),
        problem_(problem_of(node, symbols)) {
    const auto place = [&](Place at, const auto& one) {
      AttendTensor& tensor = problem_.*at;
      tensor.dtype = one.dtype;
      for (size_t i = 0; i < one.view.rank(); ++i) {
        tensor.strides.at(i) = one.view.strides[i].evaluate(symbols);
      }
      placed_.push_back(
          {at, one.value,
           one.view.offset.evaluate(symbols) * static_cast<int64_t>(graph::size_of(one.dtype))});
    };
    for (size_t i = 0; i < node.operands.size(); ++i) {
      place(operand_place(attend_.backward, i), node.operands[i]);
    }
    for (size_t i = 0; i < node.results.size(); ++i) {
      place(result_place(attend_.backward, i), node.results[i]);
    }
    plan();
  }

  size_t scratch_bytes() const override {
    return (thread_floats() * static_cast<size_t>(threads_) + shared_floats()) * sizeof(float);
  }

  void run(const Frame& frame) const override {
    if (pieces_ == 0) return;
    AttendProblem problem = problem_;
    for (const PlacedTensor& one : placed_) {
      (problem.*one.place).data = frame.at(one.value) + one.offset;
    }
    if (attend_.scale.input) {
      const graph::Number& scale = frame.values.numbers[*attend_.scale.input];
      problem.scale = static_cast<float>(
          scale.dtype == DType::Float64 ? scale.real : static_cast<double>(scale.integer));
    }
    auto* shared = reinterpret_cast<float*>(frame.scratch);
    float* own = shared + shared_floats();
    for_pieces(pieces_, [&](int64_t piece, size_t thread) {
      run_piece(problem, piece, shared, own + thread * thread_floats());
    });
    if (!problem.backward || parts_ == 1) return;
    for_pieces(problem.batch * problem.groups, [&](int64_t group, size_t) {
      kernels_.finish(problem, group / problem.groups, group % problem.groups, parts_,
                      shared + static_cast<size_t>(group * parts_) * attend_sums(problem));
    });
  }

 private:
  using DType = graph::DType;

  // How the work is divided.
  void plan() {
    const AttendProblem& p = problem_;
    if (parallel_seconds_of(p) > 0) threads_ = std::max(1, omp_get_max_threads());
    const int64_t groups = p.batch * p.groups;
    if (groups == 0 || p.rows == 0) {
      pieces_ = p.backward ? groups : 0;
    } else if (p.backward) {
      // All tiles of a group's heads add to one gradient of keys and values. Where there are fewer
      // groups than threads they are divided, which takes a sum for each part.
      if (groups < threads_) {
        parts_ = std::min((2 * threads_ + groups - 1) / groups,
                          p.heads_per_group() * attend_tiles(p.rows));
      }
      pieces_ = groups * parts_;
    } else {
      few_ = p.heads_per_group() * p.rows <= kAttendFewRows;
      pieces_ = few_ ? groups : p.batch * p.heads * attend_tiles(p.rows);
    }
    threads_ = static_cast<int>(std::clamp<int64_t>(pieces_, 1, threads_));
  }

  // Of the parts' sums.
  size_t shared_floats() const {
    if (!problem_.backward || parts_ == 1) return 0;
    return static_cast<size_t>(problem_.batch * problem_.groups * parts_) * attend_sums(problem_);
  }
  size_t thread_floats() const {
    const bool sums = problem_.backward && parts_ == 1;
    return attend_scratch(problem_) + (sums ? attend_sums(problem_) : 0);
  }

  template <class Body>
  void for_pieces(int64_t pieces, const Body& body) const {
    if (threads_ == 1) {
      for (int64_t piece = 0; piece < pieces; ++piece) body(piece, 0);
      return;
    }
    std::atomic<int64_t> next{0};
#pragma omp parallel num_threads(threads_)
    {
      const auto thread = static_cast<size_t>(omp_get_thread_num());
      for (int64_t piece = next.fetch_add(1); piece < pieces; piece = next.fetch_add(1)) {
        body(piece, thread);
      }
    }
  }

  void run_piece(const AttendProblem& p, int64_t piece, float* shared, float* own) const {
    if (p.backward) {
      const int64_t group = piece / parts_;
      const int64_t part = piece % parts_;
      float* sums = parts_ == 1 ? own + attend_scratch(p)
                                : shared + static_cast<size_t>(piece) * attend_sums(p);
      kernels_.backward(p, group / p.groups, group % p.groups, part, parts_, sums, own);
      if (parts_ == 1) kernels_.finish(p, group / p.groups, group % p.groups, 1, sums);
      return;
    }
    if (few_) {
      kernels_.few_rows(p, piece / p.groups, piece % p.groups, own);
      return;
    }
    const int64_t tiles = attend_tiles(p.rows);
    const int64_t head = piece / tiles;
    // The last ones see the most keys of a causal problem: they come first.
    kernels_.forward(p, head / p.heads, head % p.heads, tiles - 1 - piece % tiles, own);
  }

  const Attend& attend_;
  const AttendKernels& kernels_;
  AttendProblem problem_;  // without memory
  std::vector<PlacedTensor> placed_;
  bool few_ = false;
  int64_t parts_ = 1;
  int64_t pieces_ = 0;
  int threads_ = 1;
};

class AttendStep final : public Step {
 public:
  explicit AttendStep(const Node& node) : node_(node) {}

  StepAccess access() const override {
    StepAccess access;
    for (const auto& operand : node_.operands) access.reads.push_back(operand.value);
    for (const auto& result : node_.results) access.writes.push_back({result.value, result.base});
    return access;
  }

  std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const override {
    return std::make_unique<PreparedAttend>(node_, symbols);
  }
  double parallel_seconds(std::span<const int64_t> symbols) const override {
    return parallel_seconds_of(problem_of(node_, symbols));
  }

  uint32_t call() const override { return node_.call; }

  std::string describe() const override {
    const auto& attend = *node_.as<Attend>();
    const size_t first = attend.backward ? 1 : 0;
    std::string text = attend.backward ? "attention backward" : "attention";
    if (attend.masked) text += " masked";
    if (attend.causal) text += " causal";
    for (size_t i = first; i < first + 3; ++i) {
      text += i == first ? " " : " x ";
      text += graph::name_of(node_.operands[i].dtype);
      const auto& sizes = node_.operands[i].view.sizes;
      for (size_t dim = 0; dim < sizes.size(); ++dim) {
        const auto known = sizes[dim].constant();
        text += (dim == 0 ? "[" : ", ") + (known ? std::to_string(*known) : "?");
      }
      text += "]";
    }
    return text + "\n";
  }

 private:
  const Node& node_;
};

}  // namespace

std::string refuse_attend(const Node& node) {
  const auto takes = [](graph::DType dtype) {
    return dtype == graph::DType::Float32 || dtype == graph::DType::BFloat16 ||
           dtype == graph::DType::Float16;
  };
  for (size_t i = 0; i < node.operands.size(); ++i) {
    const graph::DType dtype = node.operands[i].dtype;
    const bool mask = node.as<Attend>()->masked && i + 1 == node.operands.size();
    if (!takes(dtype) && !(mask && dtype == graph::DType::Bool)) {
      return "attention of elements of this type has no kernel";
    }
  }
  return {};
}

std::unique_ptr<Step> make_attend_step(const Node& node) {
  return std::make_unique<AttendStep>(node);
}

}  // namespace trireme::compile
