// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/program_share.h"

namespace trireme::record {

void ProgramShare::slept(Clock::time_point from, Clock::time_point to) {
  const std::lock_guard lock(mutex_);
  slept_ += to - from;
  const Clock::duration total = to - begin_;
  if (total < kWindow) return;
  const double share =
      1 - std::chrono::duration<double>(slept_) / std::chrono::duration<double>(total);
  large_.store(share > (large() ? kSmall : kLarge), std::memory_order_relaxed);
  begin_ = to;
  slept_ = {};
}

}  // namespace trireme::record
