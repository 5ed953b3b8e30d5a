// SPDX-License-Identifier: Apache-2.0
// What the files that call oneDNN share. For their .cpp files only: nothing else sees its headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "trireme/base/spin_lock.h"
#include "trireme/compile/library/post_op.h"
#include "trireme/graph/ir/dtype.h"

namespace trireme::compile::onednn {

// The processor. Holds no state that runs change.
const dnnl::engine& engine();

// The type in oneDNN: f32, bf16, f16.
std::optional<dnnl::memory::data_type> data_type(graph::DType dtype);
// Whether its kernels compute in this type here: f16 needs processors with f16 arithmetic.
bool has_fast(graph::DType dtype);

// What a post-op is to oneDNN; Accumulate where it is not a sum.
dnnl::algorithm algorithm_of(PostOpKind kind);
// Its parameter: swish is x * sigmoid(alpha * x), relu's slope is 0.
float alpha_of(PostOpKind kind);

// All that tells two formats apart.
std::string text_of(const dnnl::memory::desc& format);

// Row-major strides of these sizes.
dnnl::memory::dims dense_strides(const dnnl::memory::dims& sizes);

// Primitives to be executed one after the other, on memory named by slots. Outer slots are bound to
// the caller's pointers at each run; scratch slots lie in the caller's scratch.
class Program {
 public:
  Program();
  using Arguments = std::vector<std::pair<int, size_t>>;  // DNNL_ARG_*, slot

  size_t outer(const dnnl::memory::desc& desc);  // the next pointer in order
  size_t scratch(const dnnl::memory::desc& desc);
  // Adds the primitive; its own scratchpad is in the caller's scratch. It must have been made with
  // attributes().
  void add(const dnnl::primitive& primitive, const dnnl::primitive_desc_base& desc,
           Arguments arguments);
  void add_reorder(size_t from, size_t to);
  // A scratch slot that is filled with what `slot` holds.
  size_t converted(size_t slot, const dnnl::memory::desc& desc);
  const dnnl::memory::desc& desc(size_t slot) const { return slots_[slot].desc; }
  void replace(size_t slot, const dnnl::memory::desc& desc) { slots_[slot].desc = desc; }

  // To be called when all is added.
  void finish();
  size_t scratch_bytes() const { return scratch_bytes_; }
  // `pointers`: one per outer slot. Concurrent runs are fine.
  void run(std::span<void* const> pointers, std::byte* scratch) const;

  static dnnl::primitive_attr attributes();  // the scratchpad is the caller's

 private:
  struct Slot {
    dnnl::memory::desc desc;
    bool outer = false;
    size_t offset = 0;  // in the scratch
  };
  struct Step {
    dnnl::primitive primitive;
    Arguments arguments;
  };
  // What one run needs for itself: memory objects are bound to pointers.
  struct Frame {
    dnnl::stream stream;
    std::vector<dnnl::memory> memory;                     // by slot
    std::vector<std::vector<dnnl_exec_arg_t>> arguments;  // by step
  };
  std::unique_ptr<Frame> make_frame() const;

  std::vector<Slot> slots_;
  std::vector<Step> steps_;
  size_t scratch_end_ = 0;
  size_t scratchpad_bytes_ = 0;  // of the step that wants most
  size_t scratch_bytes_ = 0;
  int threads_ = 1;
  mutable base::SpinLock lock_;
  mutable std::vector<std::unique_ptr<Frame>> idle_;
};

// Brings a weight to the format that a kernel reads, ahead of the kernel's runs.
class Packing {
 public:
  Packing(const dnnl::memory::desc& given, const dnnl::memory::desc& wanted);

  // `packed` is bytes() bytes, `scratch` scratch_bytes(); both are aligned to 64.
  void run(const void* given, std::byte* packed, std::byte* scratch) const;
  size_t scratch_bytes() const { return program_.scratch_bytes(); }
  size_t bytes() const { return bytes_; }
  // How the elements lie, given and packed.
  const std::string& format() const { return format_; }

 private:
  Program program_;
  size_t bytes_;
  std::string format_;
};

}  // namespace trireme::compile::onednn
