// SPDX-License-Identifier: Apache-2.0
// The kernel of a scheduled step. The program's process and the one that compiles both derive it
// from the graph, and get the same.
#pragma once

#include <span>
#include <vector>

#include "trireme/compile/cluster/form.h"
#include "trireme/compile/cluster/lower.h"

namespace trireme::compile {

// By value: whether another step than the one that makes it needs it, or the graph's user.
std::vector<bool> values_that_leave(const graph::Graph& graph,
                                    std::span<const ScheduledStep> schedule);

// Whether the step is one, not a library's or an opaque call.
bool is_kernel(const graph::Graph& graph, const ScheduledStep& step);

// Without a name.
ClusterKernel step_kernel(const graph::Graph& graph, const ScheduledStep& step,
                          const std::vector<bool>& leaves);

}  // namespace trireme::compile
