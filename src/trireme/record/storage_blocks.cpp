// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/storage_blocks.h"

#include <atomic>
#include <new>
#include <utility>

namespace trireme::record::storage_blocks {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kReuses = false;  // so that it sees who uses a storage that is gone
#else
constexpr bool kReuses = true;
#endif

struct Block {
  Block* next = nullptr;
};

// What other threads have given back. Only ever emptied as a whole: a block that leaves and comes
// back meanwhile does no harm.
std::atomic<Block*> returned{nullptr};

struct Own {
  Block* first = nullptr;
  bool takes = false;

  Own() = default;
  Own(const Own&) = delete;
  Own& operator=(const Own&) = delete;
  ~Own() {
    while (first != nullptr) ::operator delete(std::exchange(first, first->next));
  }
};
thread_local Own own;

}  // namespace

void* take(size_t bytes) {
  if (!kReuses) return ::operator new(bytes);
  own.takes = true;
  if (own.first == nullptr && returned.load(std::memory_order_relaxed) != nullptr) {
    own.first = returned.exchange(nullptr, std::memory_order_acquire);
  }
  if (own.first == nullptr) return ::operator new(bytes);
  return std::exchange(own.first, own.first->next);
}

void give_back(void* memory) noexcept {
  if (!kReuses) return ::operator delete(memory);
  auto* block = new (memory) Block;
  if (own.takes) {
    block->next = std::exchange(own.first, block);
    return;
  }
  block->next = returned.load(std::memory_order_relaxed);
  while (!returned.compare_exchange_weak(block->next, block, std::memory_order_release,
                                         std::memory_order_relaxed)) {
  }
}

}  // namespace trireme::record::storage_blocks
