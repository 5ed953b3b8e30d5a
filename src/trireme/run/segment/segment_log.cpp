// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/segment_log.h"

#include <atomic>
#include <utility>

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

void SegmentLog::release(record::VirtualStorage& storage) {
  if (storage.log_stamp == stamp_) storages_[storage.log_id].released = true;
}

std::optional<LogId> SegmentLog::find(const record::VirtualStorage& storage) const {
  if (storage.log_stamp != stamp_) return std::nullopt;
  return storage.log_id;
}

}  // namespace trireme::run
