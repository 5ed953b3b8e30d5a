// SPDX-License-Identifier: Apache-2.0
// The order of steps for which the least memory is in use at the peak.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trireme/compile/plan/memory_plan.h"

namespace trireme::compile {

// The numbers of the steps in the order in which they should run. What a step needs comes before
// it, and the readers of memory before who writes over it, as in the given order. The peak of
// plan_memory is never higher than that of the given order, which is kept where no other one that
// is tried is better, and where sizes vary.
//
// Tried are list schedules: steps that give back as much as they take run as soon as they may; the
// others where they are given, or late, just before the first one that needs them; and, third, the
// step that is ready and takes least is next.
std::vector<uint32_t> schedule_for_memory(const graph::Graph& graph,
                                          std::span<const StepAccess> steps,
                                          const std::vector<bool>& dying);

}  // namespace trireme::compile
