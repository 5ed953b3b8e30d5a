// SPDX-License-Identifier: Apache-2.0
// A piece of the call stream, kept: which calls, over which storages, and which storages died.
// Holds no pointer to a storage, so that it outlives them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "trireme/record/call.h"

namespace trireme::run {

// A storage's number in the log.
using LogId = uint32_t;
inline constexpr LogId kNoLogId = UINT32_MAX;

struct LoggedTensor {
  LogId storage = kNoLogId;  // none: an undefined tensor
  int64_t offset = 0;        // in elements
};

struct LoggedCall {
  const record::CallForm* form = nullptr;
  std::vector<LoggedTensor> tensors;
  std::vector<c10::IValue> values;  // as in record::Bindings
  std::vector<LogId> fresh;
  record::PhiloxState random;
  record::SiteId site = record::kUnknownSite;
  record::Phase phase = record::Phase::Neither;
};

struct LoggedStorage {
  size_t nbytes = 0;
  bool fresh = false;     // made by one of the calls
  bool written = false;   // by one of the calls
  bool released = false;  // the program dropped it before the segment's end
};

class SegmentLog {
 public:
  SegmentLog();
  ~SegmentLog();
  SegmentLog(SegmentLog&& other) noexcept;
  SegmentLog& operator=(SegmentLog&& other) noexcept;

  // Executor thread; Kind::Op whose outputs are known. The form stays until the log is gone.
  void append(const record::Call& call);
  // The program dropped the storage. Nothing when no call of the log names it.
  void release(record::VirtualStorage& storage);

  // Appends the calls of another log, whose storages have these names; `numbers`: those of this
  // log, by name. It stays the executor's own: it knows no storage but by name.
  void extend(const SegmentLog& other, std::span<const uint64_t> names,
              std::unordered_map<uint64_t, LogId>& numbers);
  // The program dropped the storage.
  void mark(LogId released) { storages_[released].released = true; }

  const std::vector<LoggedCall>& calls() const { return calls_; }
  const std::vector<LoggedStorage>& storages() const { return storages_; }
  // The number of a storage that some call of this log names. Executor thread.
  std::optional<LogId> find(const record::VirtualStorage& storage) const;

 private:
  LogId number_of(record::VirtualStorage& storage, bool fresh);
  void unpin();

  uint64_t stamp_;
  std::vector<LoggedCall> calls_;
  std::vector<LoggedStorage> storages_;
};

// torch.use_deterministic_algorithms(True): then programs run from the same step on in every run of
// the process, however long it takes to make them, and each run of one rounds alike.
bool is_deterministic(const SegmentLog& log);

// Puts the storages of the call that was appended last at their numbers.
void note_storages(const SegmentLog& log, const record::Call& call,
                   std::vector<record::VirtualStorage*>& storages);

}  // namespace trireme::run
