// SPDX-License-Identifier: Apache-2.0
// A recorded call, as it lies in the queue.
#pragma once

#include <c10/util/Exception.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "trireme/record/call_form.h"
#include "trireme/record/call_site.h"

namespace trireme::record {

enum class Phase : uint8_t { Neither, Forward, Backward };

// Where a random call's values come from: a function of seed, offset and element index.
struct PhiloxState {
  uint64_t seed = 0;
  uint64_t offset = 0;
};

// What an awaited call gives back to the waiting thread.
struct Completion {
  std::vector<c10::IValue> results;
  std::vector<at::Tensor>
      tensors;  // the CPU tensors that stood for the tensor arguments, as the call left them
  std::exception_ptr error;
  std::vector<c10::Warning> warnings;  // for the waiting thread to issue
  // Set when the call did not run, because an argument was spoiled by this earlier error.
  std::shared_ptr<const CallError> poison;

  bool failed() const { return error != nullptr || poison != nullptr; }
};

// The message of a failed completion's error.
std::string failure_of(const Completion& completion);

struct Call {
  enum class Kind : uint8_t {
    Op,
    Release,  // the program has dropped the storage: nothing recorded later names it
    Task,     // runs a function in the stream's order
  };

  Kind kind = Kind::Op;
  bool cut = false;  // the program has waited for a value since the item before: a segment ends
  Phase phase = Phase::Neither;
  SiteId site = kUnknownSite;
  int threads = 1;      // at::get_num_threads() of the program
  uint64_t number = 0;  // place in the stream, from 1
  uint64_t autograd_sequence =
      0;  // Forward: number of the autograd node made next; Backward: of the node that runs
  uint64_t autograd_thread = 0;  // the thread that made the node
  const CallForm* form = nullptr;
  Bindings bindings;
  c10::SmallVector<VirtualStorage*, 2>
      fresh;  // storages of the outputs, in the order of the form's fresh_nbytes
  PhiloxState random;
  Completion* completion = nullptr;  // Op that is awaited
  VirtualStorage* released = nullptr;
  std::function<void()> task;

  void clear() {
    bindings.clear();
    fresh.clear();
    form = nullptr;
    completion = nullptr;
    if (kind == Kind::Task) task = nullptr;
  }
};

}  // namespace trireme::record
