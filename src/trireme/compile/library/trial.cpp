// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/trial.h"

#include <algorithm>
#include <utility>

namespace trireme::compile {

Trial::Trial(std::vector<std::string> names) : names_(std::move(names)), times_(names_.size()) {
  if (names_.size() == 1) winner_ = 0;
}

Trial::Trial(std::vector<std::string> names, const std::string& winner) : Trial(std::move(names)) {
  const auto found = std::ranges::find(names_, winner);
  if (found != names_.end()) winner_ = static_cast<size_t>(found - names_.begin());
}

size_t Trial::next() {
  const size_t winner = winner_.load(std::memory_order_acquire);
  if (winner != kNone) return winner;
  const std::scoped_lock lock(mutex_);
  const auto fewest = std::ranges::min_element(times_, {}, &Times::given);
  ++fewest->given;
  return static_cast<size_t>(fewest - times_.begin());
}

void Trial::note(size_t alternative, double time) {
  const std::scoped_lock lock(mutex_);
  Times& times = times_[alternative];
  if (++times.noted > 1) times.best = std::min(times.best, time);
  if (decided() || std::ranges::any_of(times_, [](const Times& t) { return t.noted < kRuns; })) {
    return;
  }
  size_t best = 0;
  for (size_t i = 1; i < times_.size(); ++i) {
    if (times_[i].best < kMargin * times_[best].best) best = i;
  }
  winner_.store(best, std::memory_order_release);
}

}  // namespace trireme::compile
