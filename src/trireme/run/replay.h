// SPDX-License-Identifier: Apache-2.0
// Runs a recording again, without its program, and compares every value that the program read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trireme::run {

struct Mismatch {
  uint64_t read = 0;   // number of the value read, from 1; 0: a call went another way, or its graph
                       // gives other values
  uint64_t call = 0;   // the call that last wrote what was read
  std::string op;      // its op
  std::string issued;  // file:line of the program that issued it
  std::string where;   // file:line that read the value
  std::string what;    // the difference
};

struct ReplayResult {
  uint64_t calls = 0;
  uint64_t reads = 0;  // values compared
  uint64_t compared_bytes = 0;
  uint64_t mismatch_count = 0;
  std::vector<Mismatch> mismatches;  // the first few
  uint64_t failed_calls = 0;         // as they failed in the program
  bool complete = true;              // false: the recording was cut off
  std::string note;                  // why values may differ here: another processor, or ""
};

class Verifier;

struct ReplayOptions {
  bool partial = false;          // run what there is of a recording that was cut off
  Verifier* verifier = nullptr;  // holds the compiler's graphs of the calls against their kernels
};

// Throws trireme::Error when the file cannot be read. A call that goes another way than recorded
// (another number of elements, an error) ends the replay as a mismatch: what follows would mean
// nothing.
ReplayResult replay(const std::string& path, const ReplayOptions& options = {});

}  // namespace trireme::run
