// SPDX-License-Identifier: Apache-2.0
// One top-level loop of a kernel as a kernel of its own, so that loops that differ only in what
// they work on can be compiled once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

struct IsolatedLoop {
  // Without a name; registers, loops, accumulators and buffers numbered as they occur. The count of
  // its loop is a symbol of its own: loops of any length are one.
  Kernel kernel;
  std::vector<uint32_t> buffers;  // of the whole kernel: what the loop's are
  uint32_t first_number = 0;      // its numbers and scratch arrays follow one another from these
  uint32_t first_scratch = 0;
};

// None: the loop draws random numbers, whose place among the scalars depends on the kernel.
std::optional<IsolatedLoop> isolate(const Kernel& kernel, const Loop& loop);

}  // namespace trireme::compile
