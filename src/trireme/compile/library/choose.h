// SPDX-License-Identifier: Apache-2.0
// Which library runs a matrix product: decided by the first runs, once for each class of problems.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "trireme/compile/library/gemm.h"
#include "trireme/compile/library/trial.h"

namespace trireme::compile {

// What the choice depends on: dtypes, rounded sizes, which strides are 1, whether there are
// post-ops and packing, OpenMP's threads. One word: "f32.f32.f32:b8:m1024:n512:k512:nt:t2".
std::string class_of(const GemmProblem& problem);

class GemmChooser {
 public:
  // `libraries` in the order of preference where nothing was measured. Names are unique.
  // `least_flops`: operations of the smallest product that is tried; below, a clock tells little.
  explicit GemmChooser(std::vector<std::shared_ptr<const GemmLibrary>> libraries,
                       double least_flops = 2e7);

  // By the library that is fastest for the problem's class. Where that is not known, `tries`, and
  // more than one library takes the problem: a product that its first runs decide on, each by
  // another library, together with those of other products of the class. Without `tries` the order
  // decides. Any thread may call.
  GemmResult make(const GemmProblem& problem, bool tries = true);

  // The choices so far, a line each: "<class> <library>", sorted.
  std::string export_table() const;
  // Adds choices; lines that are malformed or name no library here are left out. Returns how many
  // were taken.
  size_t import_table(std::string_view text);

 private:
  std::shared_ptr<Trial> trial_of(const std::string& key, std::vector<std::string> names);

  std::vector<std::shared_ptr<const GemmLibrary>> libraries_;
  double least_flops_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Trial>, std::less<>> trials_;  // by class
};

}  // namespace trireme::compile
