// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/stream/writer.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <cstring>

#include "trireme/record/stream/strided.h"

namespace trireme::record::stream {
namespace {

using flatbuffers::Offset;

template <class T>
Offset<void> any(Offset<T> event) {
  return event.Union();
}

// A storage's memory as a tensor of bytes.
Geometry as_bytes(size_t nbytes) {
  Geometry geometry;
  geometry.dims.set_sizes({static_cast<int64_t>(nbytes)});
  geometry.dims.set_strides({1});
  geometry.dtype = c10::ScalarType::Byte;
  return geometry;
}

}  // namespace

StreamWriter::StreamWriter(const std::string& path)
    : file_(path), builder_(2 * kBatchBytes), encoder_(builder_) {
  const auto torch = builder_.CreateString(TORCH_VERSION);
  const auto cpu = builder_.CreateString(at::get_cpu_capability());
  add(wire::Event::Header,
      any(wire::CreateHeader(builder_, torch, static_cast<uint32_t>(at::get_num_threads()), cpu)));
  flush_batch();
  file_.flush();
}

void StreamWriter::call(const Call& call) {
  const uint32_t form = form_id(*call.form);
  name_site(call.site);
  for (const TensorRef& ref : call.bindings.tensors) {
    if (ref.storage != nullptr) name_storage(*ref.storage);
  }
  for (const VirtualStorage* storage : call.fresh) storages_.insert(storage->id);
  if (call.completion != nullptr) awaited_.insert(call.number);
  ++call_count_;
  add(wire::Event::Call, any(encoder_.call(call, form)));
}

void StreamWriter::outputs(uint64_t number, const CallForm& form,
                           std::span<VirtualStorage* const> fresh) {
  if (awaited_.erase(number) == 0) {  // its call came before the recording
    for (const VirtualStorage* storage : fresh) name_storage(*storage);
    return;
  }
  std::vector<uint64_t> ids;
  for (const VirtualStorage* storage : fresh) {
    ids.push_back(storage->id);
    storages_.insert(storage->id);
  }
  const auto result = encoder_.result(form);
  const auto all = builder_.CreateVector(ids);
  add(wire::Event::Outputs, any(wire::CreateOutputs(builder_, number, result, all)));
}

void StreamWriter::returned(uint64_t number, const CallForm& /*form*/,
                            std::span<const c10::IValue> results) {
  if (awaited_.erase(number) == 0) return;
  std::vector<Offset<wire::Value>> values;
  for (const auto& result : results) {
    const bool told = !result.isTensor() && !result.isTensorList();
    values.push_back(told ? encoder_.value(result)
                          : wire::CreateValue(builder_, wire::ValueKind::Undefined));
  }
  const auto all = builder_.CreateVector(values);
  add(wire::Event::Returned, any(wire::CreateReturned(builder_, number, all)));
}

void StreamWriter::failed(uint64_t number, const std::string& message) {
  if (awaited_.erase(number) == 0) return;
  const auto text = builder_.CreateString(message);
  add(wire::Event::Failed, any(wire::CreateFailed(builder_, number, text)));
}

void StreamWriter::released(const VirtualStorage& storage) {
  if (storages_.erase(storage.id) == 0) return;  // never named
  add(wire::Event::Release, any(wire::CreateRelease(builder_, storage.id)));
}

void StreamWriter::entered(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
                           const at::Tensor& host, SiteId /*site*/) {
  const Geometry once = without_repeats(geometry);
  name_storage(storage, payload_bytes(once));
  const auto data = data_of(once, host);
  const auto shape = encoder_.geometry(once, offset);
  add(wire::Event::Enter, any(wire::CreateEnter(builder_, storage.id, shape, data)));
}

void StreamWriter::resized(const VirtualStorage& storage, size_t nbytes) {
  if (!storages_.contains(storage.id)) return;  // will be declared with its size
  add(wire::Event::Resize, any(wire::CreateResize(builder_, storage.id, nbytes)));
}

void StreamWriter::read(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
                        const at::Tensor& host, SiteId site) {
  name_storage(storage);
  name_site(site);
  const Geometry once = without_repeats(geometry);
  const auto data = data_of(once, host);
  const auto shape = encoder_.geometry(once, offset);
  add(wire::Event::Read, any(wire::CreateRead(builder_, storage.id, shape, data, site)));
  // What the program has seen is in the file, should it crash.
  flush_batch();
  file_.flush();
}

std::string StreamWriter::finish() {
  add(wire::Event::End, any(wire::CreateEnd(builder_, event_count_, call_count_)));
  flush_batch();
  file_.flush();
  return file_.error();
}

uint32_t StreamWriter::form_id(const CallForm& form) {
  const auto [begin, end] = forms_.equal_range(form.hash);
  for (auto known = begin; known != end; ++known) {
    if (known->second.words == form.words) return known->second.id;
  }
  const uint32_t id = next_form_++;
  forms_.emplace(form.hash, KnownForm{form.words, id});
  add(wire::Event::Form, any(encoder_.form(id, form)));
  return id;
}

void StreamWriter::name_site(SiteId site) {
  if (site == kUnknownSite || !sites_.insert(site).second) return;
  const auto text = builder_.CreateString(describe_site(site));
  add(wire::Event::Site, any(wire::CreateSite(builder_, site, text)));
}

void StreamWriter::name_storage(const VirtualStorage& storage, uint64_t overwritten) {
  if (!storages_.insert(storage.id).second) return;
  Offset<wire::Payload> data;
  Offset<flatbuffers::String> error;
  const size_t nbytes = storage.nbytes;
  if (storage.memory && storage.memory.nbytes() > overwritten) {
    data = encoder_.payload(static_cast<const std::byte*>(storage.memory.data()),
                            as_bytes(storage.memory.nbytes()));
  }
  if (storage.error) error = builder_.CreateString(storage.error->message);
  add(wire::Event::Storage, any(wire::CreateStorage(builder_, storage.id, nbytes, data, error)));
}

Offset<wire::Payload> StreamWriter::data_of(const Geometry& geometry, const at::Tensor& host) {
  Geometry lies = geometry_of(*host.unsafeGetTensorImpl());
  for (size_t i = 0; i < lies.dims.size(); ++i) {
    lies.dims.size_at_unchecked(i) = geometry.dims.size_at_unchecked(i);
  }
  return encoder_.payload(static_cast<const std::byte*>(host.const_data_ptr()), lies);
}

void StreamWriter::add(wire::Event type, Offset<void> event) {
  types_.push_back(type);
  events_.push_back(event);
  ++event_count_;
  const auto pending = encoder_.take_pending();
  if (!pending.empty() || builder_.GetSize() > kBatchBytes) flush_batch();
  for (const PendingPayload& payload : pending) write_chunks(payload);
}

void StreamWriter::flush_batch() {
  if (events_.empty()) return;
  const auto types = builder_.CreateVector(types_);
  const auto events = builder_.CreateVector(events_);
  wire::FinishFrameBuffer(builder_, wire::CreateFrame(builder_, types, events));
  file_.write({builder_.GetBufferPointer(), builder_.GetSize()});
  builder_.Clear();
  types_.clear();
  events_.clear();
}

void StreamWriter::write_chunks(const PendingPayload& payload) {
  chunk_.clear();
  chunk_.reserve(kChunkBytes);
  const auto write_chunk = [&] {
    const auto bytes = builder_.CreateVector(chunk_);
    types_.push_back(wire::Event::Chunk);
    events_.push_back(any(wire::CreateChunk(builder_, bytes)));
    flush_batch();
    chunk_.clear();
  };
  for_each_run(payload.geometry.sizes(), payload.geometry.strides(),
               c10::elementSize(payload.geometry.dtype), [&](int64_t at, size_t size) {
                 const std::byte* from = payload.data + at;
                 while (size > 0) {
                   const size_t part = std::min(size, kChunkBytes - chunk_.size());
                   const auto* bytes = reinterpret_cast<const uint8_t*>(from);
                   chunk_.insert(chunk_.end(), bytes, bytes + part);
                   from += part;
                   size -= part;
                   if (chunk_.size() == kChunkBytes) write_chunk();
                 }
                 return file_.error().empty();
               });
  if (!chunk_.empty()) write_chunk();
}

}  // namespace trireme::record::stream
