// SPDX-License-Identifier: Apache-2.0
// The thread that runs what is recorded.
#pragma once

#include <map>
#include <string>

#include "trireme/run/segment/segment_runner.h"
#include "trireme/run/verify/verifier.h"

namespace trireme::run {

// Starts the thread if it does not run. Throws c10::Error in a forked child of a process that had
// started it.
void ensure_executor();

// Ends the thread: after all that is recorded has run or, when `abandon`, at once (what is pending
// is dropped). Later calls start it again.
void stop_executor(bool abandon);

// What TRIREME_VERIFY=1 has seen, by op; empty without it.
std::map<std::string, OpVerification> verification_report();

// How the stream was cut and followed; zeros where no compiler is on.
SegmentCounters segment_counters();

// False: by TRIREME_COMPILE=0 or for want of a compiler nothing is compiled, and all values are
// those of PyTorch's kernels to the bit.
bool compiles();

// True in a forked child of a process whose executor ran: the device cannot be used here.
bool in_bad_fork();

}  // namespace trireme::run
