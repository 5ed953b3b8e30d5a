// SPDX-License-Identifier: Apache-2.0
// From FlatBuffers back to the recorder's structures. Nothing of a file is trusted: what does not
// fit together throws Invalid (or c10::Error).
#pragma once

#include <functional>
#include <memory>

#include "stream_generated.h"
#include "trireme/record/call_form.h"
#include "trireme/record/stream/format.h"

namespace trireme::record::stream {

// Thrown where the file ends inside of what it announced; not an error of its own.
struct CutOff {};

// Where an announced payload's bytes come from.
class PayloadSource {
 public:
  // The next chunk's bytes; throws when there is none.
  using NextChunk = std::function<std::span<const uint8_t>()>;

  // `unread`: bytes that the file still has, at most; a larger payload is refused before memory is
  // taken for it.
  PayloadSource(const wire::Payload* payload, uint64_t expected, uint64_t unread, NextChunk next);

  uint64_t left() const { return left_; }
  // Takes the next `size` bytes; throws when there are not as many.
  void get(void* to, size_t size);
  void skip();

 private:
  uint64_t left_ = 0;
  std::span<const uint8_t> ready_;
  NextChunk next_;
};

Geometry decode_geometry(const wire::Geometry* geometry);

// Throws unless all elements lie within a storage of `nbytes`.
void check_bounds(const Geometry& geometry, int64_t offset, size_t nbytes);

struct ValueContext {
  uint64_t unread = 0;
  PayloadSource::NextChunk next;
};
// A number, text, list, ... or CPU tensor.
c10::IValue decode_value(const wire::Value* value, const ValueContext& context);

// The op's description; refuses what a recording cannot hold: ops of other libraries, views, ops
// that reach files.
const OpInfo& decode_op(const flatbuffers::String* name);
std::unique_ptr<CallForm> decode_form(const wire::Form& form, const ValueContext& context);
// Fills the form's outputs.
void decode_result(const wire::Result* result, CallForm& form);
// Throws unless `values` are what the form's slots ask for, in order.
void check_values(const CallForm& form, c10::ArrayRef<c10::IValue> values);

}  // namespace trireme::record::stream
