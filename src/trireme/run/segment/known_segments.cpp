// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/known_segments.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace trireme::run {
namespace {

void mix(uint64_t& hash, uint64_t word) {  // boost's hash_combine, 64 bits
  hash ^= word + 0x9e3779b97f4a7c15U + (hash << 12U) + (hash >> 4U);
}

// IValues that are numbers; CPU tensors are never equal, so that they count as varying.
bool same_value(const c10::IValue& left, const c10::IValue& right) {
  if (left.isTensor() || right.isTensor() || left.tagKind() != right.tagKind()) return false;
  if (left.isDouble()) return left.toDouble() == right.toDouble();
  if (left.isInt()) return left.toInt() == right.toInt();
  if (left.isBool()) return left.toBool() == right.toBool();
  return false;
}

// The values of all calls, in order.
std::vector<const c10::IValue*> values_of(const SegmentLog& log) {
  std::vector<const c10::IValue*> values;
  for (const LoggedCall& call : log.calls()) {
    for (const c10::IValue& value : call.values) values.push_back(&value);
  }
  return values;
}

}  // namespace

bool same_call(const SegmentLog& left, const SegmentLog& right, size_t index) {
  const LoggedCall& a = left.calls()[index];
  const LoggedCall& b = right.calls()[index];
  if (a.form != b.form || a.fresh != b.fresh) return false;
  return std::ranges::equal(
      a.tensors, b.tensors, [&](const LoggedTensor& x, const LoggedTensor& y) {
        if (x.storage != y.storage || x.offset != y.offset) return false;
        return x.storage == kNoLogId ||
               left.storages()[x.storage].nbytes == right.storages()[y.storage].nbytes;
      });
}

bool same_deaths(const SegmentLog& left, const SegmentLog& right) {
  return std::ranges::equal(left.storages(), right.storages(), {}, &LoggedStorage::released,
                            &LoggedStorage::released);
}

bool same_segment(const SegmentLog& left, const SegmentLog& right) {
  if (left.calls().size() != right.calls().size() ||
      left.storages().size() != right.storages().size()) {
    return false;
  }
  for (size_t i = 0; i < left.calls().size(); ++i) {
    if (!same_call(left, right, i)) return false;
  }
  return same_deaths(left, right);
}

uint64_t hash_of(const SegmentLog& log) {
  uint64_t hash = log.calls().size();
  for (const LoggedCall& call : log.calls()) {
    mix(hash, std::hash<const void*>()(call.form));
    for (const LoggedTensor& tensor : call.tensors) {
      mix(hash, tensor.storage);
      mix(hash, static_cast<uint64_t>(tensor.offset));
    }
    for (const LogId fresh : call.fresh) mix(hash, fresh);
  }
  for (const LoggedStorage& storage : log.storages()) {
    mix(hash, storage.nbytes * 2 + (storage.released ? 1 : 0));
  }
  return hash;
}

std::vector<KnownSegment*> KnownSegments::beginning_as(const SegmentLog& log) const {
  std::vector<KnownSegment*> found;
  const auto range = by_first_.equal_range(log.calls().front().form);
  for (auto it = range.first; it != range.second; ++it) {
    if (same_call(*it->second->log, log, 0)) found.push_back(it->second);
  }
  std::ranges::sort(found, std::greater<>(), &KnownSegment::last_use);
  return found;
}

KnownSegment& KnownSegments::enter(SegmentLog& log) {
  const uint64_t hash = hash_of(log);
  for (KnownSegment* known : beginning_as(log)) {
    if (known->hash != hash || !same_segment(*known->log, log)) continue;
    ++known->seen;
    used(*known);
    const auto before = values_of(*known->log);
    const auto now = values_of(log);
    for (size_t i = 0; i < now.size(); ++i) {
      if (!same_value(*before[i], *now[i])) known->varies[i] = true;
    }
    return *known;
  }
  if (segments_.size() >= capacity_) drop_oldest();
  segments_.emplace_front();
  KnownSegment& added = segments_.front();
  added.varies.resize(values_of(log).size());
  added.log = std::make_shared<const SegmentLog>(std::move(log));
  added.hash = hash;
  added.seen = 1;
  added.program = std::make_shared<ProgramSlot>();
  by_first_.emplace(added.log->calls().front().form, &added);
  used(added);
  return added;
}

void KnownSegments::drop_oldest() {
  const auto oldest = std::ranges::min_element(segments_, {}, &KnownSegment::last_use);
  const auto range = by_first_.equal_range(oldest->log->calls().front().form);
  for (auto it = range.first; it != range.second; ++it) {
    if (it->second == &*oldest) {
      by_first_.erase(it);
      break;
    }
  }
  segments_.erase(oldest);
}

}  // namespace trireme::run
