// SPDX-License-Identifier: Apache-2.0
// A segment apart from its sizes, and its sizes: segments of programs whose sequence lengths vary
// are alike but for these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trireme/base/siphash.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

// What may become a symbol, the first kind first.
enum class NumberKind : uint8_t {
  Size,    // of a tensor's dimension
  Other,   // a stride, an offset, an integer among the arguments
  Nbytes,  // of a storage
};

// The numbers of a segment, in this order: of each call those of its form (record/form_shape.h) and
// then the offsets of its tensor arguments; at the end, of each storage, its bytes.
std::vector<int64_t> numbers_of(const SegmentLog& log);
std::vector<NumberKind> kinds_of(const SegmentLog& log);

// Of all else: calls, which storages they name, which of these died. Not of the values that Python
// gave.
base::Hash128 skeleton_of(const SegmentLog& log);

// Whether the calls number `index` are the same but for numbers and values.
bool alike_call(const SegmentLog& left, const SegmentLog& right, size_t index);

}  // namespace trireme::run
