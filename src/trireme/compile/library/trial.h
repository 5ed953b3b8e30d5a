// SPDX-License-Identifier: Apache-2.0
// Alternatives that are compared by using them: each of the first uses takes another one and is
// timed; from then on the best is used.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

namespace trireme::compile {

// Any thread may call.
class Trial {
 public:
  static constexpr int kRuns = 4;  // of each alternative; the first warms up and does not count
  // What a later alternative may take of the time of an earlier one: measurements are noisy.
  static constexpr double kMargin = 0.9;

  // In the order of preference; names are unique.
  explicit Trial(std::vector<std::string> names);
  // Decided already.
  Trial(std::vector<std::string> names, const std::string& winner);

  const std::vector<std::string>& names() const { return names_; }
  bool decided() const { return winner_.load(std::memory_order_acquire) != kNone; }
  // The alternative to use now.
  size_t next();
  // `time`: in a unit that is the same for all uses, such as seconds an operation.
  void note(size_t alternative, double time);

 private:
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();
  struct Times {
    int given = 0;  // by next()
    int noted = 0;
    double best = std::numeric_limits<double>::infinity();
  };

  std::vector<std::string> names_;
  std::atomic<size_t> winner_{kNone};
  std::mutex mutex_;
  std::vector<Times> times_;
};

}  // namespace trireme::compile
