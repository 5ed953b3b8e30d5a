// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/segment_runner.h"

#include <algorithm>
#include <utility>

namespace trireme::run {

using record::Call;
using record::Phase;

namespace {

constexpr size_t kSegments = 1024;  // known at a time
constexpr uint64_t kSeenToCompile = 2;

bool holdable(const Call& call) {
  return call.kind == Call::Kind::Op && call.completion == nullptr && call.form->complete &&
         call.form->updates.empty();
}

}  // namespace

SegmentRunner::SegmentRunner(record::CallQueue& queue, ProgramMaker& maker, size_t interval,
                             RunCall run)
    : queue_(queue), maker_(maker), interval_(interval), run_(std::move(run)), known_(kSegments) {}

bool SegmentRunner::step() {
  Call* call = queue_.peek(held_);
  if (call == nullptr) {
    if (held_ == 0) return false;
    // The program waits for what is held back, or ends. The segment ends here if it is one that
    // does.
    const bool whole = std::ranges::any_of(candidates_, [&](const KnownSegment* known) {
      return known->log->calls().size() == log_.calls().size();
    });
    if (whole) {
      end_segment(Cut::Demand);
    } else {
      give_up("the program waits in the middle of it");
    }
    return true;
  }
  if (call->cut && !log_.calls().empty()) end_segment(Cut::Demand);
  // The program needs room in the queue to get on.
  if (held_ >= queue_.capacity() / 2) end_segment(Cut::Full);
  call = queue_.peek(held_);
  if (call->kind == Call::Kind::Release) {
    take_release(*call);
  } else if (holdable(*call)) {
    take_call(*call);
  } else {
    if (!log_.calls().empty()) end_segment(Cut::Foreign);
    run_now(*queue_.front());
  }
  return true;
}

void SegmentRunner::take_release(Call& call) {
  log_.release(*call.released);
  if (!candidates_.empty()) {
    ++held_;
    return;
  }
  if (const auto id = log_.find(*call.released)) storages_[*id] = nullptr;
  run_now(call);
}

bool SegmentRunner::begins_step(const Call& call) const {
  return call.phase == Phase::Forward && last_phase_ != Phase::Forward && backward_seen_;
}

void SegmentRunner::take_call(Call& call) {
  if (begins_step(call)) {
    if (!log_.calls().empty()) end_segment(Cut::Step);
    backward_seen_ = false;
  } else if (log_.calls().size() >= interval_) {
    end_segment(Cut::Interval);
  }
  last_phase_ = call.phase;
  backward_seen_ |= call.phase == Phase::Backward;
  log_.append(call);
  remember_storages(call);
  narrow_candidates();
  if (candidates_.empty()) {
    run_now(call);
  } else {
    ++held_;
  }
}

void SegmentRunner::remember_storages(const Call& call) {
  const LoggedCall& logged = log_.calls().back();
  storages_.resize(log_.storages().size());
  for (size_t i = 0; i < logged.tensors.size(); ++i) {
    if (logged.tensors[i].storage != kNoLogId) {
      storages_[logged.tensors[i].storage] = call.bindings.tensors[i].storage;
    }
  }
  for (size_t i = 0; i < logged.fresh.size(); ++i) storages_[logged.fresh[i]] = call.fresh[i];
}

void SegmentRunner::narrow_candidates() {
  const size_t last = log_.calls().size() - 1;
  if (last == 0) {
    candidates_ = known_.beginning_as(log_);
    std::erase_if(candidates_, [](const KnownSegment* known) { return !known->program->ready(); });
    return;
  }
  if (candidates_.empty()) return;
  std::erase_if(candidates_, [&](const KnownSegment* known) {
    return known->log->calls().size() <= last || !same_call(*known->log, log_, last);
  });
  if (candidates_.empty()) give_up("another call: " + log_.calls()[last].form->op->name);
}

void SegmentRunner::run_now(Call& call) {
  run_(call);
  call.clear();
  queue_.pop();
}

void SegmentRunner::give_up(const std::string& why) {
  ++counters_.diverged;
  // Bounded: ops that a segment was left at are as many as ops.
  ++counters_.left_for[why];
  candidates_.clear();
  for (; held_ != 0; --held_) {
    Call& call = *queue_.front();
    if (call.kind == Call::Kind::Release) {
      if (const auto id = log_.find(*call.released)) storages_[*id] = nullptr;
    }
    run_now(call);
  }
}

std::string SegmentRunner::run_program() {
  std::string why = "it ends before another";
  for (KnownSegment* known : candidates_) {
    if (known->log->calls().size() != log_.calls().size()) continue;
    if (!same_deaths(*known->log, log_)) {
      why = "other tensors were dropped";
      continue;
    }
    if (!known->program->program().accepts(log_)) {
      why = "a number that decides is another";
      continue;
    }
    const bool spoiled = std::ranges::any_of(
        storages_, [](const auto* storage) { return storage != nullptr && storage->error; });
    if (spoiled) return "an argument is spoiled by an error";
    known->program->program().run(log_, storages_);
    ++known->followed;
    return {};
  }
  return why;
}

void SegmentRunner::end_segment(Cut why) {
  ++counters_.segments;
  ++counters_.cuts[static_cast<size_t>(why)];
  if (held_ != 0) {
    if (const std::string why = run_program(); why.empty()) {
      ++counters_.followed;
      counters_.calls_followed += log_.calls().size();
      for (; held_ != 0; --held_) {
        Call& call = *queue_.front();
        if (call.kind == Call::Kind::Release) {
          run_now(call);
          continue;
        }
        call.clear();
        queue_.pop();
      }
    } else {
      give_up(why);
    }
  }
  candidates_.clear();
  KnownSegment& known = known_.enter(log_);
  if (known.seen >= kSeenToCompile && known.program->state() == ProgramSlot::State::None) {
    maker_.ask(known.log, known.varies, known.program);
  }
  log_ = SegmentLog();
  storages_.clear();
}

}  // namespace trireme::run
