// SPDX-License-Identifier: Apache-2.0
// Memory of the VirtualStorages, of one size, used again and again. The program's thread takes it
// and the executor's gives it back: through malloc each block would cross from one thread's arena
// to the other's, under its lock, which took half of the time of recording a call.
#pragma once

#include <cstddef>

namespace trireme::record::storage_blocks {

// Any thread. `bytes`: always the same.
void* take(size_t bytes);
// Any thread: one that takes blocks keeps it for itself, another leaves it to those.
void give_back(void* block) noexcept;

}  // namespace trireme::record::storage_blocks
