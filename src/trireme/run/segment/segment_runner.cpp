// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/segment_runner.h"

#include <algorithm>
#include <utility>

#include "trireme/record/openmp_team.h"
#include "trireme/record/transcript.h"

namespace trireme::run {

using record::Call;
using record::Phase;

namespace {

constexpr size_t kSegments = 1024;  // known at a time
constexpr uint64_t kLeft = 4;

bool holdable(const Call& call) {
  return call.kind == Call::Kind::Op && call.completion == nullptr && call.form->complete &&
         call.form->updates.empty();
}

}  // namespace

SegmentRunner::SegmentRunner(record::CallQueue& queue, ProgramMaker& maker, size_t interval,
                             Growth growth, RunCall run)
    : queue_(queue),
      maker_(maker),
      interval_(interval),
      growth_(growth),
      run_(std::move(run)),
      known_(kSegments),
      chain_(queue.capacity() * 3 / 8) {}

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
  if (growth_ != Growth::None) released_.push_back(call.released->id);
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
    step_pace_.begin_step(StepPace::Clock::now(), maker_.pending() > 0);
  } else if (log_.calls().size() >= interval_ && !may_go_on()) {
    end_segment(Cut::Interval);
  }
  step_pace_.take_call(*call.form);
  last_phase_ = call.phase;
  backward_seen_ |= call.phase == Phase::Backward;
  if (log_.calls().empty()) first_ = call.number;
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
  note_storages(log_, call, storages_);
  if (growth_ == Growth::None) return;
  for (size_t i = names_.size(); i < storages_.size(); ++i) names_.push_back(storages_[i]->id);
}

bool SegmentRunner::may_go_on() const {
  return std::ranges::any_of(candidates_, [&](const KnownSegment* known) {
    return known->log->calls().size() > log_.calls().size();
  });
}

void SegmentRunner::narrow_candidates() {
  const size_t last = log_.calls().size() - 1;
  if (last == 0) {
    candidates_ = known_.beginning_as(log_);
    std::erase_if(candidates_, [](const KnownSegment* known) {
      // One that is left again and again costs more than it gives.
      return !known->program->ready() ||
             (known->left >= kLeft && known->left * 8 > known->followed);
    });
    return;
  }
  if (candidates_.empty()) return;
  std::erase_if(candidates_, [&](KnownSegment* known) {
    if (may_be(*known, log_, last)) return false;
    if (last >= interval_) ++known->left;
    return true;
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
  if (log_.calls().size() > interval_) {
    for (KnownSegment* known : candidates_) ++known->left;
  }
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
  std::vector<int64_t> numbers;
  for (KnownSegment* known : candidates_) {
    if (known->log->calls().size() != log_.calls().size()) continue;
    if (!same_deaths(*known->log, log_)) {
      why = "other tensors were dropped";
      continue;
    }
    std::vector<int64_t> symbols;
    if (known->fit != nullptr) {
      if (numbers.empty()) numbers = numbers_of(log_);
      auto found = symbols_in(*known->fit, numbers);
      if (!found) {
        why = "its sizes are unlike those seen before";
        continue;
      }
      symbols = std::move(*found);
    }
    if (!known->program->program().accepts(log_, symbols)) {
      why = "a number that decides is another";
      continue;
    }
    const bool spoiled = std::ranges::any_of(
        storages_, [](const auto* storage) { return storage != nullptr && storage->error; });
    if (spoiled) return "an argument is spoiled by an error";
    known->program->program().run(log_, storages_, symbols);
    ++known->followed;
    followed_ = known;
    counters_.longest_followed =
        std::max<uint64_t>(counters_.longest_followed, log_.calls().size());
    if (known->fit != nullptr) ++counters_.followed_symbolically;
    return {};
  }
  return why;
}

void SegmentRunner::end_segment(Cut why) {
  ++counters_.segments;
  ++counters_.cuts[static_cast<size_t>(why)];
  bool followed = false;
  std::string left;
  if (held_ != 0) {
    items_ = held_;
    ahead_ = queue_.appended() - queue_.executed() - held_;
    left = run_program();
    if (left.empty()) {
      followed = true;
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
      give_up(left);
    }
  }
  candidates_.clear();
  if (record::lines_wanted()) tell(why, followed ? "" : left.empty() ? "not known" : left);
  const bool waits = is_deterministic(log_);
  set_share(waits);
  if (const KnownSegment* wanted = known_.enter(log_)) {
    ask(wanted);
    if (waits) wanted->program->wait();
  }
  maker_.set_program_busy(record::processors_are_few() && queue_.program_share().large());
  // When a longer one is ready is a matter of time.
  if (growth_ != Growth::None && !waits) grow(why, followed);
  log_ = SegmentLog();
  storages_.clear();
  names_.clear();
  released_.clear();
}

void SegmentRunner::tell(Cut why, const std::string& left) const {
  static constexpr const char* kReasons[kCuts] = {
      "as many calls as the interval has", "the program waited for a value", "a step begins",
      "a call that no segment holds", "the queue is full"};
  const size_t calls = log_.calls().size();
  record::note_line("         -- segment of " + std::to_string(calls) + " calls from " +
                    std::to_string(first_) + " on, cut: " + kReasons[static_cast<size_t>(why)] +
                    (left.empty() ? "; ran as compiled code" : "; ran call by call: " + left));
}

// Of a fixed interval, what is asked for is wanted soon.
void SegmentRunner::set_share(bool waits) {
  if (growth_ != Growth::WhenItPays || !record::processors_are_few()) return;
  step_pace_.look(StepPace::Clock::now(), queue_.executor_clock().stood());
  maker_.set_share(waits ? 1 : step_pace_.share());
  maker_.hold_until(waits ? StepPace::Clock::time_point::min() : step_pace_.held_until());
}

void SegmentRunner::ask(const KnownSegment* wanted) {
  ++counters_.programs_asked;
  if (wanted->fit != nullptr) ++counters_.symbolic_asked;
  maker_.ask({wanted->log, wanted->varies, wanted->fit}, wanted->program);
}

void SegmentRunner::grow(Cut why, bool followed) {
  const bool taken = log_.calls().empty();  // by the known segments
  if (!followed || taken || (growth_ != Growth::AtOnce && !maker_.rested())) {
    chain_.clear();
    return;
  }
  chain_.add({followed_, std::move(log_), std::move(names_), std::move(released_), items_, ahead_});
  if (why == Cut::Interval && !chain_.full()) return;
  for (SegmentLog& log : chain_.end()) {
    if (const KnownSegment* wanted = known_.enter(log)) {
      ++counters_.joined_asked;
      ask(wanted);
    }
  }
}

}  // namespace trireme::run
