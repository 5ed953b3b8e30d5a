// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/verify/verified_calls.h"

#include <utility>

namespace trireme::run {

void VerifiedCalls::hold(const record::Call& call) {
  log_.append(call);
  note_storages(log_, call, storages_);
  calls_.push_back(call);
}

void VerifiedCalls::release(std::unique_ptr<record::VirtualStorage> storage) {
  if (calls_.empty()) return;
  log_.release(*storage);
  released_.push_back(std::move(storage));
}

std::string VerifiedCalls::run(uint64_t& last) {
  if (calls_.empty()) return {};
  last = calls_.back().number;
  verifier_.before(log_, storages_);
  for (record::Call& call : calls_) execute_(call);
  std::string difference = verifier_.after(log_, storages_);
  calls_.clear();
  storages_.clear();
  log_ = SegmentLog();
  released_.clear();
  return difference;
}

}  // namespace trireme::run
