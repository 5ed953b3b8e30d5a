// SPDX-License-Identifier: Apache-2.0
// Which memory each value lies in.
//
// Values share memory where one takes the other's place: a result on top of a base that nothing
// needs any more, an operand that dies at the step that makes a result of the same size, point by
// point. Results that leave the graph are made where they have to be in the end, if what lies there
// is not needed any longer. Temporaries live from their first to their last step.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

using graph::ValueId;

// A step, as far as memory goes.
struct StepAccess {
  struct Write {
    ValueId value = graph::kNoValue;
    ValueId base = graph::kNoValue;  // what the elements not written are; none: whatever
    // Of the values that the step reads: those whose memory the result may take, because each
    // element is read before it is written.
    std::vector<ValueId> over{};
  };
  std::vector<ValueId> reads{};  // bases not among them, unless they are read otherwise, too
  std::vector<Write> writes{};
};

struct MemoryPlan {
  using SlotId = uint32_t;
  static constexpr SlotId kNoSlot = UINT32_MAX;

  struct Slot {
    enum class Kind : uint8_t { Input, Output, Temporary };
    Kind kind = Kind::Temporary;
    uint32_t index = 0;   // of the input or output
    graph::Extent bytes;  // at least
  };
  struct Copy {
    SlotId from = kNoSlot;
    SlotId to = kNoSlot;
    graph::Extent bytes;
  };
  struct Step {
    std::vector<SlotId> opens{};   // slots that are needed from here on
    std::vector<Copy> copies{};    // to be made before the step
    std::vector<SlotId> closes{};  // slots that nothing needs after the step
  };

  std::vector<Slot> slots;
  std::vector<SlotId> slot_of;  // by value
  std::vector<Step> steps;      // one for each step, and one at the end
};

// `dying`: by input, whether its memory may be used for anything after its last reader.
MemoryPlan plan_memory(const graph::Graph& graph, const std::vector<StepAccess>& steps,
                       const std::vector<bool>& dying);

// The most bytes that are in use at one time: of inputs, outputs and temporaries.
int64_t peak_bytes(const MemoryPlan& plan, std::span<const int64_t> symbols);

// For people: a line for each slot and step.
std::string print(const MemoryPlan& plan);

}  // namespace trireme::compile
