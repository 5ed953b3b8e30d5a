// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/pace.h"

#include <time.h>

#include <algorithm>
#include <thread>

namespace trireme::base {
namespace {

// Between looks at the share.
constexpr std::chrono::milliseconds kNap{10};

}  // namespace

std::chrono::nanoseconds thread_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void Pace::begin() {
  since_ = thread_time();
  work_ = {};
}

void Pace::rest() {
  if (share() >= 1) return begin();
  if (on_rest_) on_rest_(true);
  const auto work = thread_time() - since_ + work_;
  const Clock::time_point start = Clock::now();
  Clock::time_point now = start;
  for (;;) {
    const auto end = start + std::chrono::duration_cast<Clock::duration>(work * (1 / share() - 1));
    if (now >= end) break;
    std::this_thread::sleep_for(std::min<Clock::duration>(end - now, kNap));
    now = Clock::now();
  }
  rested_ += now - start;
  if (on_rest_) on_rest_(false);
  begin();
}

}  // namespace trireme::base
