// SPDX-License-Identifier: Apache-2.0
// The thread that runs what is recorded.
#pragma once

namespace trireme::run {

// Starts the thread if it does not run. Throws c10::Error in a forked child of a process that had
// started it.
void ensure_executor();

// Ends the thread: after all that is recorded has run or, when `abandon`, at once (what is pending
// is dropped). Later calls start it again.
void stop_executor(bool abandon);

// True in a forked child of a process whose executor ran: the device cannot be used here.
bool in_bad_fork();

}  // namespace trireme::run
