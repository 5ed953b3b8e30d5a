// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/onednn_program.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "trireme/base/errors.h"
#include "trireme/base/openmp.h"

namespace trireme::compile::onednn {
namespace {

constexpr size_t kAlignment = 64;
size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// A primitive must run with the number of threads that it was made for: its scratchpad is cut up
// by threads. The number is the calling thread's own.
class Threads {
 public:
  explicit Threads(int wanted) : before_(omp_get_max_threads()), wanted_(wanted) {
    if (before_ != wanted_) omp_set_num_threads(wanted_);
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() {
    if (before_ != wanted_) omp_set_num_threads(before_);
  }

 private:
  int before_;
  int wanted_;
};

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

std::optional<dnnl::memory::data_type> data_type(graph::DType dtype) {
  switch (dtype) {
    case graph::DType::Float32:
      return dnnl::memory::data_type::f32;
    case graph::DType::BFloat16:
      return dnnl::memory::data_type::bf16;
    case graph::DType::Float16:
      return dnnl::memory::data_type::f16;
    default:
      return std::nullopt;
  }
}

bool has_fast(graph::DType dtype) {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto has = [isa](dnnl::cpu_isa wanted) {
    const auto bits = static_cast<unsigned>(wanted);
    return (isa & bits) == bits;
  };
  if (dtype == graph::DType::BFloat16) return has(dnnl::cpu_isa::avx512_core);
  if (dtype == graph::DType::Float16) return has(dnnl::cpu_isa::avx512_core_fp16);
  return dtype == graph::DType::Float32;
}

dnnl::algorithm algorithm_of(PostOpKind kind) {
  switch (kind) {
    case PostOpKind::Relu:
      return dnnl::algorithm::eltwise_relu;
    case PostOpKind::GeluErf:
      return dnnl::algorithm::eltwise_gelu_erf;
    case PostOpKind::GeluTanh:
      return dnnl::algorithm::eltwise_gelu_tanh;
    case PostOpKind::Sigmoid:
      return dnnl::algorithm::eltwise_logistic;
    case PostOpKind::Silu:
      return dnnl::algorithm::eltwise_swish;
    case PostOpKind::Tanh:
      return dnnl::algorithm::eltwise_tanh;
    case PostOpKind::Multiply:
    case PostOpKind::Scale:
      return dnnl::algorithm::binary_mul;
    case PostOpKind::Add:
    case PostOpKind::Accumulate:
      return dnnl::algorithm::binary_add;
  }
  return dnnl::algorithm::undef;
}

float alpha_of(PostOpKind kind) { return kind == PostOpKind::Silu ? 1.0F : 0.0F; }

std::string text_of(const dnnl::memory::desc& format) {
  std::string text = "onednn " + std::to_string(static_cast<int>(format.get_data_type()));
  for (const dnnl::memory::dims& numbers : {format.get_padded_dims(), format.get_strides(),
                                            format.get_inner_blks(), format.get_inner_idxs()}) {
    text += ':';
    for (const int64_t number : numbers) text += std::to_string(number) + ",";
  }
  return text;
}

dnnl::memory::dims dense_strides(const dnnl::memory::dims& sizes) {
  dnnl::memory::dims strides(sizes.size());
  int64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= sizes[i];
  }
  return strides;
}

Program::Program() : threads_(omp_get_max_threads()) {}

dnnl::primitive_attr Program::attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

size_t Program::outer(const dnnl::memory::desc& desc) {
  slots_.push_back({desc, true, 0});
  return slots_.size() - 1;
}

size_t Program::scratch(const dnnl::memory::desc& desc) {
  slots_.push_back({desc, false, scratch_end_});
  scratch_end_ += aligned(desc.get_size());
  return slots_.size() - 1;
}

void Program::add(const dnnl::primitive& primitive, const dnnl::primitive_desc_base& desc,
                  Arguments arguments) {
  const dnnl::memory::desc pad = desc.query_md(dnnl::query::scratchpad_md);
  if (pad.get_size() > 0) {
    // Each step has the same scratch after the slots; the offset is set in finish().
    slots_.push_back({pad, false, SIZE_MAX});
    arguments.emplace_back(DNNL_ARG_SCRATCHPAD, slots_.size() - 1);
    scratchpad_bytes_ = std::max(scratchpad_bytes_, aligned(pad.get_size()));
  }
  steps_.push_back({primitive, std::move(arguments)});
}

void Program::add_reorder(size_t from, size_t to) {
  const dnnl::reorder::primitive_desc reorder(engine(), slots_[from].desc, engine(),
                                              slots_[to].desc, attributes());
  add(dnnl::reorder(reorder), reorder, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

size_t Program::converted(size_t slot, const dnnl::memory::desc& desc) {
  const size_t to = scratch(desc);
  add_reorder(slot, to);
  return to;
}

void Program::finish() {
  for (Slot& slot : slots_) {
    if (slot.offset == SIZE_MAX) slot.offset = scratch_end_;
  }
  scratch_bytes_ = scratch_end_ + scratchpad_bytes_;
  idle_.push_back(make_frame());
}

std::unique_ptr<Program::Frame> Program::make_frame() const {
  auto frame = std::make_unique<Frame>();
  frame->stream = dnnl::stream(engine());
  for (const Slot& slot : slots_) {
    frame->memory.emplace_back(slot.desc, engine(), static_cast<void*>(DNNL_MEMORY_NONE));
  }
  for (const Step& step : steps_) {
    std::vector<dnnl_exec_arg_t> arguments;
    for (const auto& [argument, slot] : step.arguments) {
      arguments.push_back({argument, frame->memory[slot].get()});
    }
    frame->arguments.push_back(std::move(arguments));
  }
  return frame;
}

void Program::run(std::span<void* const> pointers, std::byte* scratch) const {
  std::unique_ptr<Frame> frame;
  {
    const std::scoped_lock lock(lock_);
    if (!idle_.empty()) {
      frame = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!frame) frame = make_frame();
  size_t next = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    void* data = slots_[i].outer ? pointers[next++] : scratch + slots_[i].offset;
    dnnl_memory_set_data_handle(frame->memory[i].get(), data);
  }
  const Threads threads(threads_);
  for (size_t i = 0; i < steps_.size(); ++i) {
    const auto& arguments = frame->arguments[i];
    const dnnl_status_t status =
        dnnl_primitive_execute(steps_[i].primitive.get(), frame->stream.get(),
                               static_cast<int>(arguments.size()), arguments.data());
    if (status != dnnl_success) {
      throw Error("oneDNN: step " + std::to_string(i) + " failed with status " +
                  std::to_string(static_cast<int>(status)) +
                  "; report it with the output of ONEDNN_VERBOSE=1");
    }
  }
  const std::scoped_lock lock(lock_);
  idle_.push_back(std::move(frame));
}

Packing::Packing(const dnnl::memory::desc& given, const dnnl::memory::desc& wanted)
    : bytes_(wanted.get_size()), format_(text_of(given) + " to " + text_of(wanted)) {
  const size_t from = program_.outer(given);
  program_.add_reorder(from, program_.outer(wanted));
  program_.finish();
}

void Packing::run(const void* given, std::byte* packed, std::byte* scratch) const {
  const std::array<void*, 2> pointers{const_cast<void*>(given), packed};
  program_.run(pointers, scratch);
}

}  // namespace trireme::compile::onednn
