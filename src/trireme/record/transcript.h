// SPDX-License-Identifier: Apache-2.0
// The recorded stream as text: one line a call.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "trireme/record/call.h"
#include "trireme/record/forward_calls.h"
#include "trireme/record/observer.h"

namespace trireme::record {

// "file:line" of a site.
using DescribeSite = std::function<std::string(SiteId)>;

// Makes the lines, without line ends:
//   12 forward aten::mm(%3[f32 4x8], %5[f32 8x2 strides 1x8]) -> %9[f32 4x2]  train.py:17
class LineMaker {
 public:
  explicit LineMaker(DescribeSite describe) : describe_(std::move(describe)) {}

  // Also to be told of calls whose line is not wanted: later ones may refer to them.
  void note(const Call& call) { forward_.note(call); }

  std::string call(const Call& call, bool awaited) const;
  std::string outputs(uint64_t number, const CallForm& form,
                      std::span<VirtualStorage* const> fresh) const;
  std::string returned(uint64_t number, std::span<const c10::IValue> results) const;
  std::string failed(uint64_t number, std::string_view message) const;
  // "entered" or "read"; `value`: of a single element, or "".
  std::string moved(const char* what, const VirtualStorage& storage, const Geometry& geometry,
                    int64_t offset, const std::string& value, const std::string& site) const;
  std::string resized(const VirtualStorage& storage, size_t nbytes) const;

 private:
  DescribeSite describe_;
  ForwardCalls forward_;
};

// What the process records, as lines to a file (TRIREME_LOG=FILE; "stderr" or "-": standard error).
void log_from_environment();
// Keeps the latest 1000 lines for explain(). Off at first: a line costs some microseconds a call.
// TRIREME_EXPLAIN=1.
void enable_explain(bool enable);
void explain_from_environment();
// The lines kept, or one that says how to keep some.
std::string explain();
// Adds a line about what was done with the calls, to both; cheap to ask first whether any is
// wanted. Any thread.
bool lines_wanted();
void note_line(const std::string& text);
// A recording as lines. Throws trireme::Error when the file cannot be read.
void explain_file(const std::string& path, const std::function<void(std::string_view)>& print);

}  // namespace trireme::record
