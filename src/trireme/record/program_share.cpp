// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/program_share.h"

namespace trireme::record {

void ProgramShare::slept(Clock::duration before, Clock::duration after) {
  const std::lock_guard lock(mutex_);
  slept_ += after - before;
  const Clock::duration worked = after - begin_;
  if (worked < kWindow) return;
  const double share =
      1 - std::chrono::duration<double>(slept_) / std::chrono::duration<double>(worked);
  large_.store(share > (large() ? kSmall : kLarge), std::memory_order_relaxed);
  begin_ = after;
  slept_ = {};
}

}  // namespace trireme::record
