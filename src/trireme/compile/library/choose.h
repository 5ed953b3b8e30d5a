// SPDX-License-Identifier: Apache-2.0
// Which library runs a matrix product: decided by measuring, once for each class of problems.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trireme/compile/library/gemm.h"

namespace trireme::compile {

// What the choice depends on: dtypes, rounded sizes, which strides are 1, whether there are
// post-ops and packing, OpenMP's threads. One word: "f32.f32.f32:b8:m1024:n512:k512:nt:t2".
std::string class_of(const GemmProblem& problem);

// A smaller dense problem of the same class, of at most `flops` operations, to be measured in its
// stead.
GemmProblem sample_of(const GemmProblem& problem, double flops);

class GemmChooser {
 public:
  // The best time in seconds of a few runs that together take about `budget` seconds.
  using Measure =
      std::function<double(const Gemm& gemm, const GemmProblem& problem, double budget)>;
  struct Options {
    double budget_s = 0.003;  // for measuring one class, over all libraries
    bool measure = true;      // else the first library that takes a problem runs it
    Measure by{};             // none: the clock
  };

  // `libraries` in the order of preference where nothing was measured. Names are unique.
  GemmChooser(std::vector<std::shared_ptr<const GemmLibrary>> libraries, Options options);
  explicit GemmChooser(std::vector<std::shared_ptr<const GemmLibrary>> libraries);

  // By the library that is fastest for the problem's class. Measures at the first problem of a
  // class, if more than one library takes it. Any thread may call.
  GemmResult make(const GemmProblem& problem);

  // The choices so far, a line each: "<class> <library>", sorted.
  std::string export_table() const;
  // Adds choices; lines that are malformed or name no library here are left out. Returns how many
  // were taken.
  size_t import_table(std::string_view text);

 private:
  struct Candidate {
    const GemmLibrary* library;
    std::unique_ptr<Gemm> gemm;
  };
  const GemmLibrary* measured(const GemmProblem& problem, std::span<const Candidate> candidates);

  std::vector<std::shared_ptr<const GemmLibrary>> libraries_;
  Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> table_;  // class, library
};

}  // namespace trireme::compile
