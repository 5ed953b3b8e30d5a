// SPDX-License-Identifier: Apache-2.0
// A step of a compiled graph: a generated kernel, a library's product or convolution, an opaque
// call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/compile/plan/memory_plan.h"

namespace trireme::compile {

// What a step sees when it runs.
struct Frame {
  std::span<std::byte* const> memory;           // by slot
  std::span<const MemoryPlan::SlotId> slot_of;  // by value
  const RunValues& values;
  Surroundings& surroundings;
  std::byte* scratch;  // the prepared step's scratch_bytes(), aligned to 64

  std::byte* at(ValueId value) const { return memory[slot_of[value]]; }
};

// A step for given values of the symbols. Concurrent runs do not happen.
class PreparedStep {
 public:
  PreparedStep() = default;
  PreparedStep(const PreparedStep&) = delete;
  PreparedStep& operator=(const PreparedStep&) = delete;
  virtual ~PreparedStep() = default;
  virtual size_t scratch_bytes() const { return 0; }
  virtual void run(const Frame& frame) const = 0;
};

class Step {
 public:
  Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;
  virtual StepAccess access() const = 0;
  virtual std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const = 0;
  // About how many seconds it takes one thread, where it would run on several; 0: on one anyway.
  virtual double parallel_seconds(std::span<const int64_t> symbols) const = 0;
  // The calls of the segment that it does work of, for messages: the first one.
  virtual uint32_t call() const = 0;
  virtual std::string describe() const = 0;
};

}  // namespace trireme::compile
