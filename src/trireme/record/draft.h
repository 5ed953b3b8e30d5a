// SPDX-License-Identifier: Apache-2.0
// A call while it is being recorded: one per thread and kept, so that recording a known call
// allocates nothing but its outputs.
#pragma once

#include <c10/core/GeneratorImpl.h>
#include <c10/core/TensorImpl.h>

#include <atomic>

#include "trireme/record/call.h"
#include "trireme/record/signature.h"

namespace trireme::record {

struct Draft {
  Route route = Route::Cached;  // of this call: its op's, or Awaited
  Signature signature;
  Bindings bindings;
  // The program's tensors that `bindings.tensors` are about; not owned: arguments outlive their
  // call. Null for an undefined tensor.
  c10::SmallVector<c10::TensorImpl*, 6> tensors;
  c10::GeneratorImpl* generator = nullptr;  // the call's own; null: the device's
  PhiloxState random;
  SiteId site = kUnknownSite;
  Phase phase = Phase::Neither;
  uint64_t autograd_sequence = 0;
  uint64_t autograd_thread = 0;
  // Storages of the outputs, of a known call that was appended.
  c10::SmallVector<VirtualStorage*, 4> fresh;
  // A form found in the cache is in use on this thread: forms must not be freed now.
  std::atomic<bool> busy{false};

  void start(const OpInfo& op) {
    route = op.route;
    signature.words.clear();
    bindings.clear();
    tensors.clear();
    generator = nullptr;
  }

  // Reads where the program is: source line and phase.
  void read_context();
};

}  // namespace trireme::record
