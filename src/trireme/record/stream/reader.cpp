// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/stream/reader.h"

#include <torch/headeronly/version.h>

#include "trireme/base/errors.h"
#include "trireme/record/stream/strided.h"

namespace trireme::record::stream {
namespace {

template <class T>
const T& as(const void* table) {
  return *static_cast<const T*>(table);
}

constexpr uint32_t kMostThreads = 1024;

int allowed_threads(uint32_t recorded) {
  return static_cast<int>(std::clamp<uint32_t>(recorded, 1, kMostThreads));
}

wire::Frame const* verified_frame(const std::vector<uint8_t>& bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), /*max_depth=*/64,
                                 /*max_tables=*/10'000'000);
  if (!wire::VerifyFrameBuffer(verifier))
    throw Invalid("the frame's contents are not what they should be");
  return wire::GetFrame(bytes.data());
}

}  // namespace

StreamReader::StreamReader(const std::string& path, StreamHandler& handler)
    : file_(path), handler_(handler) {}

std::string StreamReader::site(SiteId site) const {
  const auto known = sites_.find(site);
  return known == sites_.end() ? "unknown line" : known->second;
}

bool StreamReader::next() {
  if (ended_ || cut_) return false;
  if (file_.next(frame_) == FrameReader::Next::Cut) {
    cut_ = true;
    return false;
  }
  const uint64_t offset = file_.frame_offset();
  const auto fail = [&](const std::string& what) {
    throw Error(file_.path() + " is damaged or not written by Trireme (in the frame at byte " +
                std::to_string(offset) + "): " + what + "; record it again");
  };
  try {
    events(frame_);
  } catch (const CutOff&) {
    cut_ = true;
    return false;
  } catch (const Invalid& error) {
    fail(error.what());
  } catch (const c10::Error& error) {
    fail(error_message(error));
  } catch (const std::length_error& error) {
    fail(error.what());
  } catch (const std::bad_alloc& error) {
    fail("memory for what it names cannot be had");
  }
  return true;
}

void StreamReader::events(std::vector<uint8_t>& bytes) {
  const wire::Frame* frame = verified_frame(bytes);
  const auto* types = frame->events_type();
  const auto* tables = frame->events();
  if (types == nullptr || tables == nullptr) throw Invalid("a frame without events");
  for (uint32_t i = 0; i < types->size(); ++i) {
    if (ended_) throw Invalid("events after the end");
    event(types->GetEnum<wire::Event>(i), tables->Get(i), i + 1 == types->size());
    ++events_;
  }
}

void StreamReader::event(wire::Event type, const void* table, bool last) {
  if (begun_ == (type == wire::Event::Header)) throw Invalid("the header is not where it belongs");
  chunks_may_follow_ = last;
  const ValueContext context{file_.remaining(), [this] { return next_chunk(); }};
  switch (type) {
    case wire::Event::Header:
      return header(as<wire::Header>(table));
    case wire::Event::End:
      return end(as<wire::End>(table)), void(ended_ = true);
    case wire::Event::Site: {
      const auto* text = as<wire::Site>(table).text();
      sites_[as<wire::Site>(table).id()] = text == nullptr ? "unknown line" : text->str();
      return;
    }
    case wire::Event::Form:
      return add_form(as<wire::Form>(table), context);
    case wire::Event::Storage:
      return add_storage(as<wire::Storage>(table), context);
    case wire::Event::Call:
      return call(as<wire::Call>(table), context);
    case wire::Event::Outputs:
      return outputs(as<wire::Outputs>(table));
    case wire::Event::Returned:
      return returned(as<wire::Returned>(table), context);
    case wire::Event::Failed:
      return failed(as<wire::Failed>(table));
    case wire::Event::Release:
      return release(as<wire::Release>(table).id());
    case wire::Event::Resize:
      return resize(as<wire::Resize>(table));
    case wire::Event::Enter:
      return enter(as<wire::Enter>(table), context);
    case wire::Event::Read:
      return read(as<wire::Read>(table), context);
    case wire::Event::Chunk:
      throw Invalid("data that nothing announced");
    default:
      throw Invalid("an event of an unknown kind (" + std::to_string(static_cast<int>(type)) +
                    "); a newer Trireme may have written it");
  }
}

void StreamReader::header(const wire::Header& header) {
  begun_ = true;
  StreamOrigin origin;
  if (header.torch() != nullptr) origin.torch = header.torch()->str();
  if (header.cpu() != nullptr) origin.cpu = header.cpu()->str();
  threads_ = header.threads();
  origin.threads = static_cast<uint32_t>(allowed_threads(threads_));
  if (origin.torch != TORCH_VERSION) {
    throw Error(file_.path() + " was recorded with PyTorch \"" + origin.torch + "\", this is " +
                TORCH_VERSION +
                ": ops, and how they round, may differ; use the same PyTorch, or record it again");
  }
  handler_.begin(origin);
}

void StreamReader::end(const wire::End& end) const {
  if (end.events() != events_ || end.calls() != calls_)
    throw Invalid("the end counts other events than there are");
}

void StreamReader::add_form(const wire::Form& form, const ValueContext& context) {
  auto decoded = decode_form(form, context);
  const GlobalState state{static_cast<c10::ScalarType>(form.default_dtype()), form.deterministic(),
                          form.fill_uninitialized()};
  if (!c10::isFloatingType(state.default_dtype) || form.default_dtype() < 0)
    throw Invalid("an impossible default dtype");
  decoded->words = {state.pack(form.grad_mode())};
  if (!forms_.emplace(form.id(), std::move(decoded)).second) throw Invalid("a form is given twice");
}

void StreamReader::add_storage(const wire::Storage& event, const ValueContext& context) {
  VirtualStorage& storage = new_storage(event.id(), event.nbytes());
  const std::string error = event.error() == nullptr ? "" : event.error()->str();
  if (event.data() == nullptr) {
    handler_.storage(storage, nullptr, error);
    return;
  }
  PayloadSource data(event.data(), event.data()->length(), context.unread, context.next);
  handler_.storage(storage, &data, error);
  data.skip();
}

void StreamReader::call(const wire::Call& event, const ValueContext& context) {
  const auto known = forms_.find(event.form());
  if (known == forms_.end()) throw Invalid("a call of an unknown form");
  CallForm& form = *known->second;
  Call call;
  call.number = event.number();
  call.form = &form;
  call.site = event.site();
  if (event.phase() > wire::CallPhase::Backward) throw Invalid("a call of an unknown phase");
  call.phase = static_cast<Phase>(event.phase());
  call.random = {event.seed(), event.random_offset()};
  call.autograd_sequence = event.autograd_sequence();
  call.autograd_thread = event.autograd_thread();
  call.threads = allowed_threads(event.threads() == 0 ? threads_ : event.threads());
  const size_t count = event.tensors() == nullptr ? 0 : event.tensors()->size();
  if (count != form.tensors.size()) throw Invalid(form.op->name + ": a wrong number of tensors");
  Awaited awaited{&form, {}};
  for (size_t i = 0; i < count; ++i) {
    const wire::TensorRef* ref = event.tensors()->Get(static_cast<uint32_t>(i));
    const bool defined = form.tensors[i].dtype != c10::ScalarType::Undefined;
    if (defined != (ref->storage() != 0))
      throw Invalid(form.op->name + ": a tensor that is and is not defined");
    VirtualStorage* named = nullptr;
    if (defined) {
      named = &storage(ref->storage());
      check_bounds(form.tensors[i], ref->offset(), named->nbytes);
    }
    call.bindings.tensors.push_back({named, ref->offset()});
    awaited.storages.push_back(named);
  }
  if (event.values() != nullptr) {
    for (const wire::Value* value : *event.values()) {
      call.bindings.values.push_back(decode_value(value, context));
    }
  }
  check_values(form, call.bindings.values);
  const size_t fresh = event.fresh() == nullptr ? 0 : event.fresh()->size();
  if (event.awaited() ? fresh != 0 : !form.complete || fresh != form.fresh_nbytes.size()) {
    throw Invalid(form.op->name + ": a wrong number of outputs");
  }
  for (size_t i = 0; i < fresh; ++i) {
    call.fresh.push_back(
        &new_storage(event.fresh()->Get(static_cast<uint32_t>(i)), form.fresh_nbytes[i]));
  }
  ++calls_;
  handler_.call(call, event.awaited(), GlobalState::unpack(form.words[0]));
  if (event.awaited()) {
    if (!awaited_.emplace(call.number, std::move(awaited)).second)
      throw Invalid("two calls of one number");
  } else {
    update_sizes(form, awaited.storages);
  }
}

void StreamReader::outputs(const wire::Outputs& event) {
  const Awaited awaited = take_awaited(event.number());
  CallForm form = *awaited.form;
  decode_result(event.result(), form);
  const size_t count = event.fresh() == nullptr ? 0 : event.fresh()->size();
  if (count != form.fresh_nbytes.size())
    throw Invalid(form.op->name + ": a wrong number of outputs");
  std::vector<VirtualStorage*> fresh;
  for (size_t i = 0; i < count; ++i) {
    fresh.push_back(
        &new_storage(event.fresh()->Get(static_cast<uint32_t>(i)), form.fresh_nbytes[i]));
  }
  handler_.outputs(event.number(), form, fresh);
  update_sizes(form, awaited.storages);
  if (form.op->route == Route::Cached && !awaited.form->complete) {
    form.complete = true;
    *awaited.form = std::move(form);
  }
}

void StreamReader::returned(const wire::Returned& event, const ValueContext& context) {
  take_awaited(event.number());
  std::vector<c10::IValue> values;
  if (event.values() != nullptr) {
    for (const wire::Value* value : *event.values()) values.push_back(decode_value(value, context));
  }
  handler_.returned(event.number(), values);
}

void StreamReader::failed(const wire::Failed& event) {
  take_awaited(event.number());
  handler_.failed(event.number(), event.message() == nullptr ? "" : event.message()->str());
}

void StreamReader::release(uint64_t id) {
  VirtualStorage& gone = storage(id);
  // The program drops no argument of a call that it waits for: such a call has ended without a
  // word.
  std::erase_if(awaited_, [&](const auto& item) {
    const auto& storages = item.second.storages;
    return std::find(storages.begin(), storages.end(), &gone) != storages.end();
  });
  handler_.released(std::move(storages_.extract(id).mapped()));
}

void StreamReader::resize(const wire::Resize& event) {
  VirtualStorage& named = storage(event.id());
  handler_.resized(named, event.nbytes());
  named.nbytes = event.nbytes();
}

void StreamReader::enter(const wire::Enter& event, const ValueContext& context) {
  VirtualStorage& named = storage(event.storage());
  const Geometry geometry = decode_geometry(event.geometry());
  if (geometry.dtype == c10::ScalarType::Undefined) throw Invalid("data for an undefined tensor");
  check_bounds(geometry, geometry.offset, named.nbytes);
  PayloadSource data(event.data(), payload_bytes(geometry), context.unread, context.next);
  handler_.entered(named, geometry, data);
  data.skip();
}

void StreamReader::read(const wire::Read& event, const ValueContext& context) {
  VirtualStorage& named = storage(event.storage());
  const Geometry geometry = decode_geometry(event.geometry());
  if (geometry.dtype == c10::ScalarType::Undefined) throw Invalid("an undefined tensor was read");
  check_bounds(geometry, geometry.offset, named.nbytes);
  PayloadSource data(event.data(), payload_bytes(geometry), context.unread, context.next);
  handler_.read(named, geometry, data, event.site());
  data.skip();
}

VirtualStorage& StreamReader::storage(uint64_t id) const {
  const auto known = storages_.find(id);
  if (known == storages_.end()) throw Invalid("storage " + std::to_string(id) + " does not exist");
  return *known->second;
}

VirtualStorage& StreamReader::new_storage(uint64_t id, size_t nbytes) {
  if (id == 0) throw Invalid("a storage without number");
  auto& slot = storages_[id];
  if (slot) throw Invalid("storage " + std::to_string(id) + " is made twice");
  slot = std::make_unique<VirtualStorage>(id, nbytes);
  return *slot;
}

StreamReader::Awaited StreamReader::take_awaited(uint64_t number) {
  const auto known = awaited_.find(number);
  if (known == awaited_.end()) throw Invalid("the outcome of a call that was not awaited");
  Awaited awaited = std::move(known->second);
  awaited_.erase(known);
  return awaited;
}

void StreamReader::update_sizes(const CallForm& form, std::span<VirtualStorage* const> storages) {
  for (const ArgUpdate& update : form.updates) {
    if (storages[update.tensor] != nullptr) storages[update.tensor]->nbytes = update.nbytes;
  }
}

std::span<const uint8_t> StreamReader::next_chunk() {
  if (!chunks_may_follow_) throw Invalid("data that does not follow");
  if (file_.next(chunk_) == FrameReader::Next::Cut) throw CutOff{};
  const wire::Frame* frame = verified_frame(chunk_);
  const auto* types = frame->events_type();
  if (types == nullptr || types->size() != 1 ||
      types->GetEnum<wire::Event>(0) != wire::Event::Chunk) {
    throw Invalid("data that does not follow");
  }
  const auto* bytes = as<wire::Chunk>(frame->events()->Get(0)).bytes();
  if (bytes == nullptr || bytes->size() == 0) throw Invalid("data that is empty");
  return {bytes->data(), bytes->size()};
}

}  // namespace trireme::record::stream
