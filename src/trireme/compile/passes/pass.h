// SPDX-License-Identifier: Apache-2.0
// The passes over graphs, in order. docs/passes.md says what each may change.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trireme/base/pace.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

struct Pass {
  std::string_view name;
  bool (*run)(graph::Graph& graph);  // true: changed it
};

std::span<const Pass> passes();

// What can be switched off: the passes; `fuse`, without which each node is a kernel of its own;
// `pack_weights`, without which products read weights as they lie; `schedule_for_memory`
// (plan/schedule_for_memory.h), without which steps run as they were formed; `try_libraries`,
// without which the first library that takes a product runs it.
std::vector<std::string_view> switches();
inline constexpr std::string_view kFuse = "fuse";
inline constexpr std::string_view kPackWeights = "pack_weights";
inline constexpr std::string_view kScheduleForMemory = "schedule_for_memory";
inline constexpr std::string_view kTryLibraries = "try_libraries";

struct PassOptions {
  std::vector<std::string> off;  // names of switches()
  bool verify = false;           // check the graph after each pass
  base::Pace* pace = nullptr;    // rests after each pass; null: none
};

bool is_off(const std::vector<std::string>& off, std::string_view name);

// Throws CompileError where a pass breaks the graph, or an unknown name is switched off.
void optimise(graph::Graph& graph, const PassOptions& options);

}  // namespace trireme::compile
