// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/choose.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "trireme/base/openmp.h"

namespace trireme::compile {
namespace {

// To a power of two, or half-way to the next: problems of one class differ by less than 1.5 times.
// Small sizes stay as they are, since kernels treat them apart.
int64_t rounded(int64_t size) {
  if (size <= 4) return size;
  const auto below = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(size)));
  return size >= below + below / 2 ? below + below / 2 : below;
}

// n: rows are dense, t: columns are, s: neither
char layout_of(const GemmMatrix& matrix, int64_t rows, int64_t columns) {
  if (matrix.column_stride == 1 || columns == 1) return 'n';
  return matrix.row_stride == 1 || rows == 1 ? 't' : 's';
}

// A product that is run by the library that its class's trial says.
class TriedGemm final : public Gemm {
 public:
  TriedGemm(std::shared_ptr<Trial> trial, std::vector<std::unique_ptr<Gemm>> gemms, double flops)
      : trial_(std::move(trial)), gemms_(std::move(gemms)), flops_(flops) {
    for (const auto& gemm : gemms_)
      scratch_bytes_ = std::max(scratch_bytes_, gemm->scratch_bytes());
  }

  void run(const GemmPointers& pointers, std::byte* scratch) const override {
    const size_t library = trial_->next();
    if (trial_->decided()) return gemms_[library]->run(pointers, scratch);
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    gemms_[library]->run(pointers, scratch);
    trial_->note(library, std::chrono::duration<double>(Clock::now() - start).count() / flops_);
  }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  std::string description() const override {
    if (trial_->decided()) return gemms_[trial_->next()]->description();
    std::string text;
    for (const auto& gemm : gemms_) text += (text.empty() ? "" : " or ") + gemm->description();
    return text;
  }

 private:
  std::shared_ptr<Trial> trial_;
  std::vector<std::unique_ptr<Gemm>> gemms_;  // by the trial's alternatives
  double flops_;
  size_t scratch_bytes_ = 0;
};

}  // namespace

std::string class_of(const GemmProblem& problem) {
  std::string text = std::string(name_of(problem.a.dtype)) + "." +
                     std::string(name_of(problem.b.dtype)) + "." +
                     std::string(name_of(problem.c.dtype));
  const auto add = [&](char letter, int64_t size) {
    text += ':';
    text += letter;
    text += std::to_string(rounded(size));
  };
  add('b', problem.batch_count());
  add('m', problem.m);
  add('n', problem.n);
  add('k', problem.k);
  text += ':';
  text += layout_of(problem.a, problem.m, problem.k);
  text += layout_of(problem.b, problem.k, problem.n);
  text += layout_of(problem.c, problem.m, problem.n);
  if (problem.bias || !problem.post_ops.empty()) text += ":post";
  if (problem.packed_b) text += ":packed";
  return text + ":t" + std::to_string(omp_get_max_threads());
}

GemmChooser::GemmChooser(std::vector<std::shared_ptr<const GemmLibrary>> libraries,
                         double least_flops)
    : libraries_(std::move(libraries)), least_flops_(least_flops) {}

GemmResult GemmChooser::make(const GemmProblem& problem, bool tries) {
  tries = tries && problem.flops() >= least_flops_;
  std::string reasons;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Gemm>> gemms;
  for (const bool last_resort : {false, true}) {
    for (const auto& library : libraries_) {
      if (library->last_resort() != last_resort) continue;
      if (!gemms.empty() && (!tries || last_resort)) continue;
      GemmResult made = library->make(problem);
      if (made.gemm) {
        names.push_back(library->name());
        gemms.push_back(std::move(made.gemm));
      } else {
        reasons += (reasons.empty() ? "" : "; ") + library->name() + ": " + made.reason;
      }
    }
  }
  if (gemms.empty()) return {nullptr, std::move(reasons)};
  if (gemms.size() == 1) return {std::move(gemms.front()), {}};
  std::shared_ptr<Trial> trial = trial_of(class_of(problem), names);
  if (trial->decided()) return {std::move(gemms[trial->next()]), {}};
  return {std::make_unique<TriedGemm>(std::move(trial), std::move(gemms), problem.flops()), {}};
}

std::shared_ptr<Trial> GemmChooser::trial_of(const std::string& key,
                                             std::vector<std::string> names) {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<Trial>& trial = trials_[key];
  if (trial && trial->names() == names) return trial;
  // Of a class some problems are taken by more libraries than others; a winner stays one.
  const std::string winner = trial && trial->decided() ? trial->names()[trial->next()] : "";
  trial = std::make_shared<Trial>(std::move(names), winner);
  return trial;
}

std::string GemmChooser::export_table() const {
  const std::scoped_lock lock(mutex_);
  std::string text;
  for (const auto& [key, trial] : trials_) {
    if (trial->decided()) text += key + " " + trial->names()[trial->next()] + "\n";
  }
  return text;
}

size_t GemmChooser::import_table(std::string_view text) {
  size_t taken = 0;
  const std::scoped_lock lock(mutex_);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t space = line.find(' ');
    if (space == 0 || space == std::string_view::npos) continue;
    const std::string library(line.substr(space + 1));
    const bool known =
        std::ranges::any_of(libraries_, [&](const auto& l) { return l->name() == library; });
    if (!known) continue;
    trials_.insert_or_assign(std::string(line.substr(0, space)),
                             std::make_shared<Trial>(std::vector{library}, library));
    ++taken;
  }
  return taken;
}

}  // namespace trireme::compile
