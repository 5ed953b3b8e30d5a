// SPDX-License-Identifier: Apache-2.0
// Runs recorded calls one by one, in order, with PyTorch's own CPU kernels: the values of eager
// CPU, bit for bit.
#pragma once

#include <ATen/core/stack.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "trireme/record/call.h"

namespace trireme::run {

// The CPU tensor that a tensor argument or output is. Provides memory for a storage that has none.
at::Tensor host_tensor(record::VirtualStorage& storage, const record::Geometry& geometry,
                       int64_t offset);

// The storage's memory, made when there is none. The caller is the executor, or has waited for the
// storage's use.
const c10::Storage& host_memory(record::VirtualStorage& storage);

// VirtualStorage::version, given where there is none; 0 where somebody else has the memory, too,
// and may write to it unseen. The executor's thread.
uint64_t version_of(record::VirtualStorage& storage);

// Runs the form's op on CPU tensors given for its tensor arguments. Results are left on `stack`.
void call_op(const record::CallForm& form, c10::ArrayRef<at::Tensor> tensors,
             c10::ArrayRef<c10::IValue> values, const record::PhiloxState& random,
             torch::jit::Stack& stack);

// Threads that a call runs on: as many as eager CPU would take, for its bits; or one where more
// gain nothing (run/small_call.h).
enum class Threads : uint8_t { AsEager, AsItPays };

class ReferenceExecutor {
 public:
  // Told of each error found; without one, the recorder is, and through it the program.
  using NoteError = std::function<void(std::shared_ptr<const record::CallError>)>;
  explicit ReferenceExecutor(NoteError note_error = {}) : note_error_(std::move(note_error)) {}
  explicit ReferenceExecutor(Threads threads) : threads_(threads) {}

  // Runs the call. Errors are kept in the storages it should have written, or in its completion.
  void run(record::Call& call);

 private:
  void run_op(record::Call& call);
  void bind_outputs(record::Call& call);
  void bind_fresh(record::Call& call, const record::OutputSlot& slot, const at::Tensor& result);
  bool skip_poisoned(record::Call& call);
  void fail(record::Call& call, const std::exception& error);

  NoteError note_error_;
  Threads threads_ = Threads::AsEager;
  std::vector<at::Tensor> tensors_;  // kept between calls: no allocation per call
  torch::jit::Stack stack_;
};

}  // namespace trireme::run
