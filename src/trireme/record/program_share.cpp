// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/program_share.h"

namespace trireme::record {

void ProgramShare::slept(Clock::time_point from, Clock::time_point to,
                         Clock::duration executor_waited) {
  const std::lock_guard lock(mutex_);
  slept_ += to - from;
  const Clock::duration worked = to - begin_ - (executor_waited - executor_waited_);
  if (worked < kWindow) return;
  const double share =
      1 - std::chrono::duration<double>(slept_) / std::chrono::duration<double>(worked);
  large_.store(share > (large() ? kSmall : kLarge), std::memory_order_relaxed);
  begin_ = to;
  slept_ = {};
  executor_waited_ = executor_waited;
}

}  // namespace trireme::record
