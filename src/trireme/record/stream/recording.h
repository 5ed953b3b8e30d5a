// SPDX-License-Identifier: Apache-2.0
// The process's recordings: to a file, and as text.
#pragma once

#include <string>

namespace trireme::record {

// Records the stream from here on to a file. Waits until all recorded calls have run. Throws
// trireme::Error when the file cannot be written, or a recording is under way.
void start_recording(const std::string& path);
// Ends the recording, if any. Throws trireme::Error when the file could not be written whole.
void stop_recording();
bool recording();

// TRIREME_RECORD=FILE: records from the first event on (a process that only imports the module
// leaves the file alone). %p in the name is the process's number.
void record_from_environment();

// In a forked child: the recording is the parent's.
void forget_recording();

}  // namespace trireme::record
