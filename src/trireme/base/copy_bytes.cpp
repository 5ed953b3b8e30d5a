// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/copy_bytes.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <thread>

namespace trireme::base {
namespace {

constexpr size_t kLarge = size_t{1} << 20U;    // takes long beside waking a thread
constexpr size_t kPiece = size_t{256} << 10U;  // stays in a core's cache

// One fault for all pages of a piece; Linux 5.14, and no harm where it is refused.
void ask_for_pages(std::byte* start, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  constexpr int kPopulateWrite = MADV_POPULATE_WRITE;
#else
  constexpr int kPopulateWrite = 23;  // of Linux; the C library's headers may be older
#endif
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(start);
  const uintptr_t from = (first + page - 1) / page * page;
  const uintptr_t to = (first + bytes) / page * page;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, kPopulateWrite);
}

class Pieces {
 public:
  Pieces(void* to, const void* from, size_t bytes)
      : to_(static_cast<std::byte*>(to)),
        from_(static_cast<const std::byte*>(from)),
        bytes_(bytes) {}

  // Copies pieces that nobody has taken until there is none.
  void copy() {
    while (true) {
      const size_t at = next_.fetch_add(kPiece, std::memory_order_relaxed);
      if (at >= bytes_) return;
      const size_t size = std::min(kPiece, bytes_ - at);
      ask_for_pages(to_ + at, size);
      std::memcpy(to_ + at, from_ + at, size);
    }
  }

 private:
  std::byte* to_;
  const std::byte* from_;
  size_t bytes_;
  std::atomic<size_t> next_{0};
};

// The thread that helps. It is never joined: it sleeps when the process ends, and a forked child,
// which does not have it, is never helped.
class Helper {
 public:
  Helper() {
    std::thread([this] { serve(); }).detach();
  }

  // Copies all pieces: with the thread's help, unless it is taken or in another process.
  void copy(Pieces& pieces) {
    if (getpid() != owner_ || taken_.exchange(true, std::memory_order_acquire)) {
      pieces.copy();
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      pieces_ = &pieces;
    }
    wakes_.notify_one();
    pieces.copy();
    {
      std::unique_lock lock(mutex_);
      pieces_ = nullptr;  // too late to begin
      done_.wait(lock, [&] { return !at_work_; });
    }
    taken_.store(false, std::memory_order_release);
  }

 private:
  void serve() {
    pthread_setname_np(pthread_self(), "trireme-copy");
    std::unique_lock lock(mutex_);
    while (true) {
      wakes_.wait(lock, [&] { return pieces_ != nullptr; });
      Pieces& pieces = *pieces_;
      pieces_ = nullptr;
      at_work_ = true;
      lock.unlock();
      pieces.copy();
      lock.lock();
      at_work_ = false;
      done_.notify_one();
    }
  }

  const pid_t owner_ = getpid();
  std::atomic<bool> taken_{false};
  std::mutex mutex_;  // guards what follows
  std::condition_variable wakes_;
  std::condition_variable done_;
  Pieces* pieces_ = nullptr;
  bool at_work_ = false;
};

}  // namespace

void copy_bytes(void* to, const void* from, size_t bytes, bool helped) {
  if (bytes < kLarge) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return;
  }
  Pieces pieces(to, from, bytes);
  static const bool cores = std::thread::hardware_concurrency() > 1;
  if (!helped || !cores) {
    pieces.copy();
    return;
  }
  static auto* helper = new Helper;  // never destroyed: its thread uses it to the end
  helper->copy(pieces);
}

}  // namespace trireme::base
