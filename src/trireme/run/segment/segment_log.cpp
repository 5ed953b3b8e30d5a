// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/segment_log.h"

#include <atomic>
#include <utility>

#include "trireme/record/stream/global_state.h"

namespace trireme::run {
namespace {

uint64_t next_stamp() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

SegmentLog::SegmentLog() : stamp_(next_stamp()) {}
SegmentLog::~SegmentLog() { unpin(); }

SegmentLog::SegmentLog(SegmentLog&& other) noexcept
    : stamp_(std::exchange(other.stamp_, next_stamp())),
      calls_(std::exchange(other.calls_, {})),
      storages_(std::exchange(other.storages_, {})) {}

SegmentLog& SegmentLog::operator=(SegmentLog&& other) noexcept {
  if (this == &other) return *this;
  unpin();
  stamp_ = std::exchange(other.stamp_, next_stamp());
  calls_ = std::exchange(other.calls_, {});
  storages_ = std::exchange(other.storages_, {});
  return *this;
}

void SegmentLog::unpin() {
  for (const LoggedCall& call : calls_) call.form->pins.drop();
}

LogId SegmentLog::number_of(record::VirtualStorage& storage, bool fresh) {
  if (storage.log_stamp == stamp_) return storage.log_id;
  storage.log_stamp = stamp_;
  storage.log_id = static_cast<LogId>(storages_.size());
  storages_.push_back({.nbytes = storage.nbytes.load(std::memory_order_relaxed), .fresh = fresh});
  return storage.log_id;
}

void SegmentLog::append(const record::Call& call) {
  const record::CallForm& form = *call.form;
  form.pins.add();
  LoggedCall logged;
  logged.form = &form;
  logged.values.assign(call.bindings.values.begin(), call.bindings.values.end());
  logged.random = call.random;
  logged.site = call.site;
  logged.phase = call.phase;
  for (size_t i = 0; i < form.tensors.size(); ++i) {
    const record::TensorRef& ref = call.bindings.tensors[i];
    if (ref.storage == nullptr) {
      logged.tensors.emplace_back();
      continue;
    }
    const LogId id = number_of(*ref.storage, /*fresh=*/false);
    storages_[id].written |= form.written[i];
    logged.tensors.push_back({id, ref.offset});
  }
  for (record::VirtualStorage* storage : call.fresh) {
    const LogId id = number_of(*storage, /*fresh=*/true);
    storages_[id].written = true;
    logged.fresh.push_back(id);
  }
  calls_.push_back(std::move(logged));
}

void SegmentLog::extend(const SegmentLog& other, std::span<const uint64_t> names,
                        std::unordered_map<uint64_t, LogId>& numbers) {
  const auto renamed = [&](LogId id) {
    const auto [at, added] = numbers.try_emplace(names[id], static_cast<LogId>(storages_.size()));
    if (added) {
      storages_.push_back(
          {.nbytes = other.storages_[id].nbytes, .fresh = other.storages_[id].fresh});
    }
    storages_[at->second].written |= other.storages_[id].written;
    return at->second;
  };
  for (LoggedCall call : other.calls_) {
    call.form->pins.add();
    for (LoggedTensor& tensor : call.tensors) {
      if (tensor.storage != kNoLogId) tensor.storage = renamed(tensor.storage);
    }
    for (LogId& fresh : call.fresh) fresh = renamed(fresh);
    calls_.push_back(std::move(call));
  }
}

void SegmentLog::release(record::VirtualStorage& storage) {
  if (storage.log_stamp == stamp_) storages_[storage.log_id].released = true;
}

std::optional<LogId> SegmentLog::find(const record::VirtualStorage& storage) const {
  if (storage.log_stamp != stamp_) return std::nullopt;
  return storage.log_id;
}

bool is_deterministic(const SegmentLog& log) {
  const auto& words = log.calls().back().form->words;
  return !words.empty() && record::stream::GlobalState::unpack(words[0]).deterministic;
}

void note_storages(const SegmentLog& log, const record::Call& call,
                   std::vector<record::VirtualStorage*>& storages) {
  const LoggedCall& logged = log.calls().back();
  storages.resize(log.storages().size());
  for (size_t i = 0; i < logged.tensors.size(); ++i) {
    if (logged.tensors[i].storage != kNoLogId) {
      storages[logged.tensors[i].storage] = call.bindings.tensors[i].storage;
    }
  }
  for (size_t i = 0; i < logged.fresh.size(); ++i) storages[logged.fresh[i]] = call.fresh[i];
}

}  // namespace trireme::run
