// SPDX-License-Identifier: Apache-2.0
// Records the stream to a file.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "trireme/record/observer.h"
#include "trireme/record/stream/encode.h"
#include "trireme/record/stream/frame_file.h"

namespace trireme::record::stream {

// Serialises under the recorder's lock into a batch of about 64 KiB; memory does not grow with the
// stream but for 8 bytes a live storage and the signatures of the forms.
class StreamWriter final : public Observer {
 public:
  explicit StreamWriter(const std::string& path);

  void call(const Call& call) override;
  void outputs(uint64_t number, const CallForm& form,
               std::span<VirtualStorage* const> fresh) override;
  void returned(uint64_t number, const CallForm& form,
                std::span<const c10::IValue> results) override;
  void failed(uint64_t number, const std::string& message) override;
  void released(const VirtualStorage& storage) override;
  void entered(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
               const at::Tensor& host, SiteId site) override;
  void resized(const VirtualStorage& storage, size_t nbytes) override;
  void read(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
            const at::Tensor& host, SiteId site) override;

  // Writes the last frame. Returns what went wrong while recording, or "".
  std::string finish();
  uint64_t bytes() const { return file_.bytes(); }

 private:
  struct KnownForm {
    std::vector<uint64_t> words;
    uint32_t id;
  };

  uint32_t form_id(const CallForm& form);
  void name_site(SiteId site);
  // Declares a storage that was not named before, with the bytes it holds unless `overwritten` ones
  // are all.
  void name_storage(const VirtualStorage& storage, uint64_t overwritten = 0);
  flatbuffers::Offset<wire::Payload> data_of(const Geometry& geometry, const at::Tensor& host);
  void add(wire::Event type, flatbuffers::Offset<void> event);
  void flush_batch();
  void write_chunks(const PendingPayload& payload);

  FrameWriter file_;
  flatbuffers::FlatBufferBuilder builder_;
  Encoder encoder_;
  std::vector<wire::Event> types_;
  std::vector<flatbuffers::Offset<void>> events_;
  std::vector<uint8_t> chunk_;
  std::unordered_multimap<uint64_t, KnownForm> forms_;  // by hash
  uint32_t next_form_ = 1;
  std::unordered_set<SiteId> sites_;
  std::unordered_set<uint64_t> storages_;
  std::unordered_set<uint64_t> awaited_;  // calls whose outcome follows
  uint64_t event_count_ = 0;
  uint64_t call_count_ = 0;
};

}  // namespace trireme::record::stream
