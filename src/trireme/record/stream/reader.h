// SPDX-License-Identifier: Apache-2.0
// Reads a recording, event by event.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "trireme/record/call.h"
#include "trireme/record/stream/decode.h"
#include "trireme/record/stream/frame_file.h"
#include "trireme/record/stream/global_state.h"

namespace trireme::record::stream {

// What a recording says of its origin.
struct StreamOrigin {
  std::string torch;
  std::string cpu;
  uint32_t threads = 1;
};

// Told of the events of a recording. Forms and, until they are released, storages belong to the
// reader; tensors lie within their storages' nbytes, arguments fit their ops. A payload not taken
// is skipped.
class StreamHandler {
 public:
  StreamHandler() = default;
  StreamHandler(const StreamHandler&) = delete;
  StreamHandler& operator=(const StreamHandler&) = delete;
  virtual ~StreamHandler() = default;

  virtual void begin(const StreamOrigin& /*origin*/) {}
  // A storage appears. Data: what it held before the recording, or null.
  virtual void storage(VirtualStorage& /*storage*/, PayloadSource* /*data*/,
                       const std::string& /*error*/) {}
  // As in the queue; call.completion is null, `awaited` says whether its outcome follows.
  virtual void call(Call& call, bool awaited, const GlobalState& state) = 0;
  virtual void outputs(uint64_t /*number*/, const CallForm& /*form*/,
                       std::span<VirtualStorage* const> /*fresh*/) {}
  virtual void returned(uint64_t /*number*/, std::span<const c10::IValue> /*values*/) {}
  virtual void failed(uint64_t /*number*/, const std::string& /*message*/) {}
  virtual void released(std::unique_ptr<VirtualStorage> /*storage*/) {}
  virtual void resized(VirtualStorage& /*storage*/, size_t /*nbytes*/) {}
  virtual void entered(VirtualStorage& /*storage*/, const Geometry& /*geometry*/,
                       PayloadSource& /*data*/) {}
  virtual void read(VirtualStorage& /*storage*/, const Geometry& /*geometry*/,
                    PayloadSource& /*data*/, SiteId /*site*/) {}
};

class StreamReader {
 public:
  // Throws trireme::Error, as all of this class do for a file that cannot be read.
  StreamReader(const std::string& path, StreamHandler& handler);

  // Reads the next frame's events. False after the last one, or where the file is cut off: see
  // `complete`.
  bool next();
  // Whether the recording ended as it should.
  bool complete() const { return ended_; }
  uint64_t calls() const { return calls_; }
  // "file:line", or "unknown line".
  std::string site(SiteId site) const;

 private:
  struct Awaited {
    CallForm* form;
    c10::SmallVector<VirtualStorage*, 4> storages;  // of the tensor arguments
  };

  void events(std::vector<uint8_t>& frame);
  void event(wire::Event type, const void* table, bool last);
  void header(const wire::Header& header);
  void end(const wire::End& end) const;
  void add_form(const wire::Form& form, const ValueContext& context);
  void add_storage(const wire::Storage& storage, const ValueContext& context);
  void call(const wire::Call& call, const ValueContext& context);
  void outputs(const wire::Outputs& event);
  void returned(const wire::Returned& event, const ValueContext& context);
  void failed(const wire::Failed& event);
  void release(uint64_t id);
  void resize(const wire::Resize& event);
  void enter(const wire::Enter& event, const ValueContext& context);
  void read(const wire::Read& event, const ValueContext& context);

  VirtualStorage& storage(uint64_t id) const;
  VirtualStorage& new_storage(uint64_t id, size_t nbytes);
  Awaited take_awaited(uint64_t number);
  static void update_sizes(const CallForm& form, std::span<VirtualStorage* const> storages);
  std::span<const uint8_t> next_chunk();

  FrameReader file_;
  StreamHandler& handler_;
  std::vector<uint8_t> frame_;
  std::vector<uint8_t> chunk_;
  bool chunks_may_follow_ = false;
  bool cut_ = false;
  bool begun_ = false;
  bool ended_ = false;
  uint64_t events_ = 0;
  uint64_t calls_ = 0;
  uint32_t threads_ = 1;  // of calls that do not say
  std::unordered_map<uint32_t, std::unique_ptr<CallForm>> forms_;
  std::unordered_map<uint64_t, std::unique_ptr<VirtualStorage>> storages_;
  std::unordered_map<SiteId, std::string> sites_;
  std::unordered_map<uint64_t, Awaited> awaited_;
};

}  // namespace trireme::record::stream
