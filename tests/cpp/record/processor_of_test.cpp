// SPDX-License-Identifier: Apache-2.0
// A thread is found where it ran last, and may be anywhere while it sleeps.
#include "trireme/record/processor_of.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

namespace trireme::record {
namespace {

// Pins the calling thread, where the system lets it.
bool pin(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

TEST(ProcessorOf, IsNowhereBeforeItRan) {
  const ProcessorOf thread;
  EXPECT_FALSE(thread.is_here());
  EXPECT_FALSE(thread.may_be_here());
}

TEST(ProcessorOf, IsHereWhereItRanOnThisProcessor) {
  ProcessorOf thread;
  std::thread([&] {
    if (!pin(0)) GTEST_SKIP() << "this thread may not run on processor 0";
    thread.runs();
    EXPECT_TRUE(thread.is_here());
    EXPECT_TRUE(thread.may_be_here());
    thread.sleeps();
    EXPECT_FALSE(thread.is_here());
    EXPECT_TRUE(thread.may_be_here());
  }).join();
}

TEST(ProcessorOf, IsNotHereWhereItRanOnAnother) {
  ProcessorOf thread;
  bool pinned = false;
  std::thread([&] {
    pinned = pin(0);
    thread.runs();
  }).join();
  std::thread([&] {
    if (!pinned || !pin(1)) GTEST_SKIP() << "these threads may not run on processors 0 and 1";
    EXPECT_FALSE(thread.is_here());
    EXPECT_FALSE(thread.may_be_here());
  }).join();
}

}  // namespace
}  // namespace trireme::record
