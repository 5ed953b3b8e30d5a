// SPDX-License-Identifier: Apache-2.0
// The queue's bound in bytes: memory that the program has filled for calls that are still pending
// (data copied into a fresh storage, CPU tensors kept for a call). A program whose calls run at
// once holds one of these at a time; one that runs ahead must not hold thousands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "trireme/base/spin_lock.h"

namespace trireme::record {

class BytesAhead {
 public:
  // Of the order of what a process varies by from run to run; larger buys no more overlap.
  static constexpr size_t kLimit = size_t{8} << 20U;

  // `bytes` will be ahead of the executor until it has run call `until`; `executed` have run.
  // Returns the number of the call to wait for before the memory is taken, so that no more than
  // kLimit are ahead (a single larger piece is, alone); 0: none. Thread-safe.
  uint64_t add(size_t bytes, uint64_t until, uint64_t executed);

  size_t ahead() const { return ahead_; }  // for tests, while nothing is added

 private:
  struct Piece {
    uint64_t until;
    size_t bytes;
  };
  base::SpinLock mutex_;
  std::deque<Piece> pieces_;  // in the order of the stream, all but exactly
  size_t ahead_ = 0;
};

}  // namespace trireme::record
