// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/held_calls.h"

namespace trireme::run {

using record::Call;

bool HeldCalls::holdable(const Call& call) {
  return call.kind == Call::Kind::Op && call.completion == nullptr && call.form->complete &&
         call.form->updates.empty();
}

bool HeldCalls::gather() {
  // The queue must keep room for the program to get on.
  const size_t most = queue_.capacity() / 2;
  while (true) {
    const Call* call = queue_.peek(held_);
    if (call == nullptr) return held_ != 0;  // the program waits, or all has ended
    if (call->kind == Call::Kind::Release) {
      log_.release(*call->released);
      ++held_;
      if (held_ >= most) return true;
      continue;
    }
    const bool full = interval_ != 0 && log_.calls().size() >= interval_;
    if (held_ != 0 && (full || held_ >= most || !holdable(*call))) return true;
    ++held_;
    if (!holdable(*call)) return true;
    hold(*call);
  }
}

void HeldCalls::hold(const Call& call) {
  log_.append(call);
  note_storages(log_, call, storages_);
}

void HeldCalls::clear() {
  held_ = 0;
  log_ = SegmentLog();
  storages_.clear();
}

}  // namespace trireme::run
