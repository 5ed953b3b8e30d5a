// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/known_segments.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "trireme/record/form_shape.h"

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

// Marks the values that are others in the second log.
void note_values(const SegmentLog& before, const SegmentLog& now, std::vector<bool>& varies) {
  const auto left = values_of(before);
  const auto right = values_of(now);
  if (left.size() != right.size()) return;
  for (size_t i = 0; i < left.size(); ++i) {
    if (!same_value(*left[i], *right[i])) varies[i] = true;
  }
}

constexpr uint64_t kSeenToCompile = 2;
constexpr uint32_t kFits = 4;       // of a family: programs that turned out too special, but one
constexpr size_t kSeen = 8;         // numbers of a family that are kept to fit symbols to
constexpr uint32_t kPrograms = 32;  // of a family, each for given numbers
// Of a family that symbols serve: programs for given numbers, which are faster. Layers that are
// alike but for sizes have few different numbers, which all return; with sequence lengths it takes
// longer to know which ones do.
constexpr uint32_t kSpecialPrograms = 4;
constexpr size_t kFewNumbers = 4;
constexpr uint64_t kSeenAmongMany = 16;
constexpr size_t kTimes = 256;

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

bool may_be(const KnownSegment& known, const SegmentLog& log, size_t index) {
  if (known.log->calls().size() <= index) return false;
  return known.fit == nullptr ? same_call(*known.log, log, index)
                              : alike_call(*known.log, log, index);
}

std::vector<KnownSegment*> KnownSegments::beginning_as(const SegmentLog& log) const {
  std::vector<KnownSegment*> found;
  const auto gather = [&](auto range) {
    const auto begin = static_cast<int64_t>(found.size());
    for (auto it = range.first; it != range.second; ++it) {
      if (may_be(*it->second, log, 0)) found.push_back(it->second);
    }
    std::sort(found.begin() + begin, found.end(),
              [](const auto* left, const auto* right) { return left->last_use > right->last_use; });
  };
  const record::CallForm* first = log.calls().front().form;
  gather(by_first_.equal_range(first));
  if (!symbolic_by_first_.empty()) {
    gather(symbolic_by_first_.equal_range(record::shape_of(*first).skeleton.first));
  }
  return found;
}

KnownSegment* KnownSegments::find(const SegmentLog& log, uint64_t hash) const {
  const auto range = by_first_.equal_range(log.calls().front().form);
  for (auto it = range.first; it != range.second; ++it) {
    if (it->second->hash == hash && same_segment(*it->second->log, log)) return it->second;
  }
  return nullptr;
}

SegmentFamily& KnownSegments::family_of(const SegmentLog& log) {
  return families_[skeleton_of(log).first];
}

KnownSegment* KnownSegments::enter(SegmentLog& log) {
  const uint64_t hash = hash_of(log);
  if (KnownSegment* known = find(log, hash)) {
    ++known->seen;
    used(*known);
    note_values(*known->log, log, known->varies);
    return wants_program(*known) ? known : nullptr;
  }
  if (families_.size() >= capacity_) families_.clear();
  SegmentFamily& family = family_of(log);
  if (family.times.size() >= kTimes) family.times.clear();
  const uint64_t times = ++family.times[hash];
  if (KnownSegment* symbolic = generalise(family, log)) {
    ++symbolic->seen;
    used(*symbolic);
    const auto state = symbolic->program->state();
    if (state == ProgramSlot::State::None) return symbolic;
    if (state != ProgramSlot::State::Refused && !special(family, times)) return nullptr;
  }
  auto kept = std::make_shared<const SegmentLog>(std::move(log));
  if (family.log == nullptr) {
    family.log = kept;
    family.varies.resize(values_of(*kept).size());
    family.seen.push_back(numbers_of(*kept));
  }
  KnownSegment& added = add(std::move(kept), nullptr);
  added.hash = hash;
  added.seen = times;
  return wants_program(added) ? &added : nullptr;
}

bool KnownSegments::special(const SegmentFamily& family, uint64_t times) {
  if (family.programs >= kSpecialPrograms) return false;
  return times >= (family.times.size() <= kFewNumbers ? kSeenToCompile : kSeenAmongMany);
}

KnownSegment* KnownSegments::generalise(SegmentFamily& family, const SegmentLog& log) {
  if (family.log == nullptr) return nullptr;
  note_values(*family.log, log, family.varies);
  std::vector<int64_t> numbers = numbers_of(log);
  if (numbers.size() != family.seen[0].size()) return nullptr;  // another one of the same hash
  if (family.symbolic != nullptr && symbols_in(*family.symbolic->fit, numbers)) {
    return family.symbolic;
  }
  if (std::ranges::find(family.seen, numbers) != family.seen.end()) return nullptr;
  if (family.fits == kFits || family.seen.size() == kSeen) return nullptr;
  family.seen.push_back(std::move(numbers));
  auto fit = fit_symbols(family.seen, kinds_of(log));
  if (!fit) return nullptr;
  ++family.fits;
  if (family.symbolic != nullptr) drop(*family.symbolic);
  family.symbolic = &add(family.log, std::make_shared<const SymbolFit>(std::move(*fit)));
  family.symbolic->varies = family.varies;
  return family.symbolic;
}

bool KnownSegments::wants_program(KnownSegment& segment) {
  if (segment.seen < kSeenToCompile || segment.program->state() != ProgramSlot::State::None) {
    return false;
  }
  SegmentFamily& family = family_of(*segment.log);
  if (family.programs == kPrograms) return false;
  const bool served = family.symbolic != nullptr &&
                      family.symbolic->program->state() != ProgramSlot::State::Refused &&
                      symbols_in(*family.symbolic->fit, numbers_of(*segment.log)).has_value();
  if (served && !special(family, segment.seen)) return false;
  ++family.programs;
  return true;
}

KnownSegment& KnownSegments::add(std::shared_ptr<const SegmentLog> log,
                                 std::shared_ptr<const SymbolFit> fit) {
  if (segments_.size() >= capacity_) drop_oldest();
  segments_.emplace_front();
  KnownSegment& added = segments_.front();
  added.varies.resize(values_of(*log).size());
  added.log = std::move(log);
  added.seen = 1;
  added.program = std::make_shared<ProgramSlot>();
  added.fit = std::move(fit);
  const record::CallForm* first = added.log->calls().front().form;
  if (added.fit == nullptr) {
    by_first_.emplace(first, &added);
  } else {
    symbolic_by_first_.emplace(record::shape_of(*first).skeleton.first, &added);
  }
  used(added);
  return added;
}

void KnownSegments::drop(const KnownSegment& segment) {
  const record::CallForm* first = segment.log->calls().front().form;
  const auto erase = [&](auto& from, const auto& key) {
    const auto range = from.equal_range(key);
    const auto found = std::find_if(range.first, range.second,
                                    [&](const auto& entry) { return entry.second == &segment; });
    if (found != range.second) from.erase(found);
  };
  if (segment.fit == nullptr) {
    erase(by_first_, first);
  } else {
    erase(symbolic_by_first_, record::shape_of(*first).skeleton.first);
    for (auto& [skeleton, family] : families_) {
      if (family.symbolic == &segment) family.symbolic = nullptr;
    }
  }
  segments_.remove_if([&](const KnownSegment& one) { return &one == &segment; });
}

void KnownSegments::drop_oldest() {
  drop(*std::ranges::min_element(segments_, {}, &KnownSegment::last_use));
}

}  // namespace trireme::run
