// SPDX-License-Identifier: Apache-2.0
// From the recorder's structures to FlatBuffers.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <vector>

#include "stream_generated.h"
#include "trireme/record/call.h"

namespace trireme::record::stream {

// Bytes that an event announced and that follow it in chunks.
struct PendingPayload {
  const std::byte* data;
  Geometry geometry;  // as the bytes lie at `data`
};

class Encoder {
 public:
  explicit Encoder(flatbuffers::FlatBufferBuilder& to) : to_(to) {}

  flatbuffers::Offset<wire::Geometry> geometry(const Geometry& geometry, int64_t offset);
  // The elements at `data`, which lie there as the geometry says (its offset is not used).
  flatbuffers::Offset<wire::Payload> payload(const std::byte* data, const Geometry& geometry);
  flatbuffers::Offset<wire::Value> value(const c10::IValue& value);
  flatbuffers::Offset<wire::Result> result(const CallForm& form);
  flatbuffers::Offset<wire::Form> form(uint32_t id, const CallForm& form);
  flatbuffers::Offset<wire::Call> call(const Call& call, uint32_t form);

  // What was announced since the last call of this.
  std::vector<PendingPayload> take_pending() { return std::exchange(pending_, {}); }

 private:
  flatbuffers::Offset<wire::Value> host_tensor(const at::Tensor& tensor);
  flatbuffers::Offset<wire::Slot> slot(const ArgSlot& slot);

  flatbuffers::FlatBufferBuilder& to_;
  std::vector<PendingPayload> pending_;
};

}  // namespace trireme::record::stream
