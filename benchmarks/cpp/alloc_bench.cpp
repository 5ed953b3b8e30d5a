// SPDX-License-Identifier: Apache-2.0
// What the host allocator costs beside malloc: single blocks, and the blocks of a training step.
// Build, from the repository's root (no torch needed):
//   g++ -std=c++20 -O3 -I. -Isrc benchmarks/cpp/alloc_bench.cpp
//   src/trireme/run/alloc/{address_range,
//     extent_pool,extent_pool_check,small_pool,memory_limit,host_allocator,fork_handlers}.cpp
//     src/trireme/base/env.cpp -o alloc_bench -lpthread
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "tests/cpp/run/alloc_testing.h"
#include "tests/cpp/run/alloc_trace.h"

namespace {

using namespace trireme::run;           // NOLINT(google-build-using-namespace)
using namespace trireme::run::testing;  // NOLINT(google-build-using-namespace)
using Clock = std::chrono::steady_clock;

// PyTorch's CPU allocator is posix_memalign at 64 bytes.
struct Malloc {
  void* allocate(size_t bytes) {
    void* pointer = nullptr;
    if (posix_memalign(&pointer, 64, bytes) != 0) std::abort();
    return pointer;
  }
  void free(void* pointer) { std::free(pointer); }
};

double nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

// The least of several rounds: other work on the machine only adds.
double least(int rounds, const std::function<double()>& measure) {
  double best = measure();
  for (int i = 1; i < rounds; ++i) best = std::min(best, measure());
  return best;
}

template <typename Allocator>
double pair_ns(Allocator& allocator, size_t bytes, int held) {
  std::vector<void*> blocks(static_cast<size_t>(held));
  const int rounds = 200000 / held;
  return least(7, [&] {
    const auto start = Clock::now();
    for (int i = 0; i < rounds; ++i) {
      for (void*& block : blocks) block = allocator.allocate(bytes);
      for (void* const block : blocks) allocator.free(block);
    }
    return nanoseconds_since(start) / rounds / held;
  });
}

struct StepCost {
  double ms = 0;
  double ns_per_event = 0;
  uint64_t faults = 0;
  double most_resident_mib = 0;
};

// `touch`: write every page of every block, as kernels do.
template <typename Allocator>
StepCost training(Allocator& allocator, bool touch, bool vary) {
  TrainingTrace trace({});
  std::mt19937_64 random(1);
  malloc_trim(0);  // what an earlier run left would not count as growth
  const size_t base = resident_bytes();
  std::vector<void*> blocks;
  size_t most = 0;
  const auto run = [&](const std::vector<TraceEvent>& events, bool watch) {
    size_t count = 0;
    for (const auto& [bytes, slot] : events) {
      if (slot >= blocks.size()) blocks.resize(slot + 1);
      if (bytes == 0) {
        allocator.free(blocks[slot]);
        blocks[slot] = nullptr;
        continue;
      }
      blocks[slot] = allocator.allocate(bytes);
      if (touch) mark(blocks[slot], bytes, slot);
      if (watch && ++count % 8 == 0) most = std::max(most, resident_bytes() - base);
    }
  };
  const auto step = [&] { return vary ? trace.step(128 + random() % 384) : trace.step(); };
  run(trace.setup(), true);
  for (int i = 0; i < 10; ++i) run(step(), touch);
  StepCost cost;
  std::vector<double> times;
  const uint64_t faults = minor_faults();
  for (int i = 0; i < 11; ++i) {
    const std::vector<TraceEvent> events = step();
    const auto start = Clock::now();
    run(events, false);
    times.push_back(nanoseconds_since(start));
    cost.ns_per_event = times.back() / static_cast<double>(events.size());
  }
  cost.faults = (minor_faults() - faults) / times.size();
  std::nth_element(times.begin(), times.begin() + 5, times.end());
  cost.ms = times[5] / 1e6;
  cost.most_resident_mib = static_cast<double>(most) / (1 << 20);
  for (void* const block : blocks) {
    if (block != nullptr) allocator.free(block);
  }
  return cost;
}

void print(const char* name, const StepCost& cost) {
  std::printf("  %-28s %8.2f ms %8.0f ns/event %8llu faults", name, cost.ms, cost.ns_per_event,
              static_cast<unsigned long long>(cost.faults));
  if (cost.most_resident_mib > 1)
    std::printf(" %8.1f MiB resident at most", cost.most_resident_mib);
  std::printf("\n");
}

HostAllocatorOptions with(bool huge, bool move) {
  HostAllocatorOptions options;
  options.huge_pages = huge;
  options.move_pages = move;
  return options;
}

}  // namespace

int main() {
  Malloc system;
  HostAllocator pool;
  std::printf("allocate + free, ns a pair           host  malloc\n");
  for (const size_t bytes : {64, 1024, 4096, 32768, 65536, 1 << 20, 32 << 20}) {
    for (const int held : {1, 50}) {
      std::printf("  %10zu bytes, %2d held       %8.1f %8.1f\n", bytes, held,
                  pair_ns(pool, bytes, held), pair_ns(system, bytes, held));
    }
  }
  for (const bool vary : {false, true}) {
    std::printf("training step, %s\n", vary ? "batches of varying length" : "always the same");
    HostAllocator untouched;
    print("host, nothing touched", training(untouched, false, vary));
    for (const bool huge : {true, false}) {
      if (huge && !huge_pages_offered()) continue;
      for (const bool move : {true, false}) {
        HostAllocator allocator(with(huge, move));
        char name[64];
        std::snprintf(name, sizeof(name), "host, %s pages, %s", huge ? "huge" : "4 KiB",
                      move ? "moving" : "purging");
        print(name, training(allocator, true, vary));
        const HostAllocatorStats stats = allocator.stats();
        std::printf("  %28s peak live %.1f MiB, reserved %.3f of it; moved %.1f, purged %.1f MiB\n",
                    "", static_cast<double>(stats.allocated_bytes.peak) / (1 << 20),
                    static_cast<double>(stats.reserved_bytes.peak) /
                        static_cast<double>(stats.allocated_bytes.peak),
                    static_cast<double>(stats.moved_bytes) / (1 << 20),
                    static_cast<double>(stats.purged_bytes) / (1 << 20));
      }
    }
    print("malloc", training(system, true, vary));
  }
}
