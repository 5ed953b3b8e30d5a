// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/call_queue.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

namespace trireme::record {
namespace {

// Several threads append tasks under one lock, as recorders do; one runs them. Every task runs
// once, in order, and a waiter sees what ran before it.
TEST(CallQueue, RunsEverythingOnceInOrder) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 5000;
  CallQueue queue(64);
  std::vector<uint64_t> ran;
  std::thread executor([&] {
    while (Call* call = queue.front()) {
      call->task();
      call->clear();
      queue.pop();
    }
  });
  std::mutex recorder;
  std::vector<std::thread> recorders;
  recorders.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    recorders.emplace_back([&] {
      for (int k = 0; k < kCalls; ++k) {
        std::unique_lock lock(recorder);
        while (queue.full()) {
          lock.unlock();
          queue.wait_for_space();
          lock.lock();
        }
        const uint64_t number = queue.next_number();
        Call& call = queue.next();
        call.kind = Call::Kind::Task;
        call.task = [&ran, number] { ran.push_back(number); };
        queue.append();
        lock.unlock();
        if (k % 1000 == 0) {
          queue.wait(number);
          EXPECT_GE(queue.executed(), number);
        }
      }
    });
  }
  for (auto& thread : recorders) thread.join();
  queue.wait(queue.appended());
  queue.stop();
  executor.join();
  ASSERT_EQ(ran.size(), size_t{kThreads} * kCalls);
  for (size_t i = 0; i < ran.size(); ++i) ASSERT_EQ(ran[i], i + 1);
}

// A program imports and builds for a long time before its first call. That says nothing of the
// time in which the executor works.
TEST(CallQueue, TheTimeBeforeTheFirstCallIsNoShareOfTheProgram) {
  CallQueue queue(64);
  std::this_thread::sleep_for(20 * ProgramShare::kWindow);
  std::thread executor([&] {
    while (Call* call = queue.peek(0)) {
      call->task();
      call->clear();
      queue.pop();
    }
  });
  const auto run = [&] {
    Call& call = queue.next();
    call.kind = Call::Kind::Task;
    call.task = [] { std::this_thread::sleep_for(2 * ProgramShare::kWindow); };
    queue.append();
    queue.wait(queue.appended());
  };
  run();
  EXPECT_FALSE(queue.program_share().large());
  std::this_thread::sleep_for(20 * ProgramShare::kWindow);
  run();
  EXPECT_FALSE(queue.program_share().large());
  queue.stop();
  executor.join();
}

TEST(CallQueue, StopLetsWhatIsAppendedRun) {
  CallQueue queue(8);
  int ran = 0;
  for (int i = 0; i < 5; ++i) {
    queue.next().task = [&ran] { ++ran; };
    queue.append();
  }
  queue.stop();
  while (Call* call = queue.front()) {
    call->task();
    queue.pop();
  }
  EXPECT_EQ(ran, 5);
}

}  // namespace
}  // namespace trireme::record
