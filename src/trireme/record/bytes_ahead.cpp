// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/bytes_ahead.h"

#include <algorithm>
#include <mutex>

namespace trireme::record {

uint64_t BytesAhead::add(size_t bytes, uint64_t until, uint64_t executed) {
  const std::lock_guard lock(mutex_);
  uint64_t wait_for = 0;
  while (!pieces_.empty() && (pieces_.front().until <= executed || ahead_ + bytes > kLimit)) {
    if (pieces_.front().until > executed) wait_for = std::max(wait_for, pieces_.front().until);
    ahead_ -= pieces_.front().bytes;
    pieces_.pop_front();
  }
  if (bytes > kLimit) wait_for = std::max(wait_for, until);
  if (until > executed) {
    pieces_.push_back({until, bytes});
    ahead_ += bytes;
  }
  return wait_for;
}

}  // namespace trireme::record
