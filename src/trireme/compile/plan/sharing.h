// SPDX-License-Identifier: Apache-2.0
// Which buffers of a kernel may be one piece of memory.
#pragma once

#include <cstdint>

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// Whether the kernel is right when the buffer `written` lies where the buffer `read` does: each
// element is read for the last time before it is written, in the same point of the range. Not
// decided for indirect accesses: false.
bool may_take_place(const Kernel& kernel, uint32_t read, uint32_t written);

}  // namespace trireme::compile
