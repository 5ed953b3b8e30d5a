// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/choose.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <limits>
#include <new>

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

bool has_other(GemmPostOpKind kind) {
  return kind == GemmPostOpKind::Multiply || kind == GemmPostOpKind::Add;
}

// n: rows are dense, t: columns are, s: neither
char layout_of(const GemmMatrix& matrix, int64_t rows, int64_t columns) {
  if (matrix.column_stride == 1 || columns == 1) return 'n';
  return matrix.row_stride == 1 || rows == 1 ? 't' : 's';
}

// The matrix without gaps in its memory; a 's' keeps a gap between elements.
GemmMatrix compact(const GemmMatrix& matrix, std::span<const int64_t> batch, int64_t rows,
                   int64_t columns) {
  GemmMatrix result{matrix.dtype, 0, 0, {}};
  const char layout = layout_of(matrix, rows, columns);
  const int64_t unit = layout == 's' ? 2 : 1;
  result.column_stride = layout == 't' ? rows : unit;
  result.row_stride = layout == 't' ? 1 : columns * unit;
  int64_t stride = rows * columns * unit;
  result.batch_strides.resize(batch.size());
  for (size_t i = batch.size(); i-- > 0;) {
    if (matrix.batch_strides[i] == 0) continue;
    result.batch_strides[i] = stride;
    stride *= batch[i];
  }
  return result;
}

double flops_of(const GemmProblem& problem) {
  return 2.0 * static_cast<double>(problem.batch_count()) * static_cast<double>(problem.m) *
         static_cast<double>(problem.n) * static_cast<double>(problem.k);
}

// Memory aligned as scratch must be, filled with a byte that makes a small positive number of any
// type: denormals would slow the arithmetic down.
class Filled {
 public:
  explicit Filled(size_t bytes) : data_(::operator new[](bytes + 1, std::align_val_t(64))) {
    std::memset(data_, 0x3c, bytes + 1);
  }
  Filled(const Filled&) = delete;
  Filled& operator=(const Filled&) = delete;
  ~Filled() { ::operator delete[](data_, std::align_val_t(64)); }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
};

double by_the_clock(const Gemm& gemm, const GemmProblem& problem, double budget) {
  const auto bytes = [&](const GemmMatrix& matrix, int64_t rows, int64_t columns) {
    return static_cast<size_t>(span_of(matrix, problem.batch, rows, columns)) *
           size_of(matrix.dtype);
  };
  const Filled a(bytes(problem.a, problem.m, problem.k));
  const Filled b(bytes(problem.b, problem.k, problem.n));
  const Filled c(bytes(problem.c, problem.m, problem.n));
  const Filled bias(static_cast<size_t>(std::max(problem.m, problem.n)) * sizeof(double));
  const Filled scratch(gemm.scratch_bytes());
  const Filled packed(gemm.packed_bytes());
  if (problem.packed_b) gemm.pack(b.data(), packed.data(), scratch.data());
  std::vector<std::unique_ptr<Filled>> others;
  std::vector<const void*> pointers;
  for (const GemmPostOp& op : problem.post_ops) {
    if (op.kind != GemmPostOpKind::Scale && !has_other(op.kind)) continue;
    const size_t size = has_other(op.kind) ? bytes(op.other, problem.m, problem.n) : sizeof(float);
    others.push_back(std::make_unique<Filled>(size));
    pointers.push_back(others.back()->data());
  }
  const GemmPointers arguments{a.data(), problem.packed_b ? packed.data() : b.data(), c.data(),
                               bias.data(), pointers};
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  gemm.run(arguments, scratch.data());  // the first touches memory and wakes threads
  double best = std::numeric_limits<double>::infinity();
  const Clock::time_point begin = Clock::now();
  // One preempted run should not decide, even where it takes the whole budget.
  constexpr int kRuns = 20;
  constexpr int kLeast = 3;
  for (int i = 0; i < kRuns; ++i) {
    const Clock::time_point start = Clock::now();
    gemm.run(arguments, scratch.data());
    const Clock::time_point end = Clock::now();
    best = std::min(best, seconds(end - start));
    if (i + 1 >= kLeast && seconds(end - begin) > budget) break;
  }
  return best;
}

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

GemmProblem sample_of(const GemmProblem& problem, double flops) {
  GemmProblem sample = problem;
  const auto halve_largest = [&sample] {
    int64_t* largest = nullptr;
    for (int64_t& size : sample.batch) {
      if (size > 1 && (largest == nullptr || size > *largest)) largest = &size;
    }
    // The batch first: a product of the same matrices behaves alike, however often it is done. Some
    // of it stays, for the threads.
    if (largest == nullptr || sample.batch_count() <= 8) {
      largest = &sample.m;
      if (sample.n > *largest) largest = &sample.n;
      if (sample.k > 4 * *largest) largest = &sample.k;
    }
    *largest = (*largest + 1) / 2;
  };
  while (flops_of(sample) > flops && (sample.m > 32 || sample.n > 32 || sample.k > 32)) {
    halve_largest();
  }
  sample.a = compact(problem.a, sample.batch, sample.m, sample.k);
  sample.b = compact(problem.b, sample.batch, sample.k, sample.n);
  sample.c = compact(problem.c, sample.batch, sample.m, sample.n);
  for (GemmPostOp& op : sample.post_ops) {
    if (!has_other(op.kind)) continue;
    const GemmMatrix given = op.other;
    const GemmMatrix& like = sample.c;
    op.other = {given.dtype, given.row_stride == 0 ? 0 : like.row_stride,
                given.column_stride == 0 ? 0 : like.column_stride, like.batch_strides};
    for (size_t i = 0; i < given.batch_strides.size(); ++i) {
      if (given.batch_strides[i] == 0) op.other.batch_strides[i] = 0;
    }
    // A vector is dense.
    if (op.other.row_stride == 0 && op.other.column_stride != 0) op.other.column_stride = 1;
    if (op.other.column_stride == 0 && op.other.row_stride != 0) op.other.row_stride = 1;
  }
  return sample;
}

GemmChooser::GemmChooser(std::vector<std::shared_ptr<const GemmLibrary>> libraries, Options options)
    : libraries_(std::move(libraries)), options_(std::move(options)) {
  if (!options_.by) options_.by = by_the_clock;
}

GemmChooser::GemmChooser(std::vector<std::shared_ptr<const GemmLibrary>> libraries)
    : GemmChooser(std::move(libraries), Options{}) {}

GemmResult GemmChooser::make(const GemmProblem& problem) {
  const std::string key = class_of(problem);
  std::string chosen;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = table_.find(key);
    if (found != table_.end()) chosen = found->second;
  }
  std::string reasons;
  std::vector<Candidate> candidates;
  const auto consider = [&](const GemmLibrary& library) {
    GemmResult made = library.make(problem);
    if (made.gemm) {
      candidates.push_back({&library, std::move(made.gemm)});
      return true;
    }
    reasons += (reasons.empty() ? "" : "; ") + library.name() + ": " + made.reason;
    return false;
  };
  for (const auto& library : libraries_) {
    if (library->name() == chosen && consider(*library)) {
      return {std::move(candidates.front().gemm), {}};
    }
  }
  reasons.clear();
  for (const auto& library : libraries_) {
    // Without a measurement the first will do.
    if (consider(*library) && !options_.measure) break;
  }
  if (candidates.empty()) return {nullptr, std::move(reasons)};
  if (candidates.size() == 1) return {std::move(candidates.front().gemm), {}};
  const GemmLibrary* best = measured(problem, candidates);
  {
    const std::scoped_lock lock(mutex_);
    table_.insert_or_assign(key, best->name());
  }
  const auto winner =
      std::ranges::find(candidates, best, [](const Candidate& c) { return c.library; });
  return {std::move(winner->gemm), {}};
}

const GemmLibrary* GemmChooser::measured(const GemmProblem& problem,
                                         std::span<const Candidate> candidates) {
  const double budget = options_.budget_s / static_cast<double>(candidates.size());
  // A run of the sample is to take a small part of the budget at a rate that processors now have.
  constexpr double kRate = 1e11;
  const GemmProblem sample = sample_of(problem, budget / 4 * kRate);
  const GemmLibrary* best = candidates.front().library;
  double least = std::numeric_limits<double>::infinity();
  for (const Candidate& candidate : candidates) {
    const GemmResult made = candidate.library->make(sample);
    if (!made.gemm) continue;
    const double time = options_.by(*made.gemm, sample, budget);
    if (time < least) {
      least = time;
      best = candidate.library;
    }
  }
  return best;
}

std::string GemmChooser::export_table() const {
  const std::scoped_lock lock(mutex_);
  std::string text;
  for (const auto& [key, library] : table_) text += key + " " + library + "\n";
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
    const std::string_view library = line.substr(space + 1);
    const bool known =
        std::ranges::any_of(libraries_, [&](const auto& l) { return l->name() == library; });
    if (!known) continue;
    table_.insert_or_assign(std::string(line.substr(0, space)), std::string(library));
    ++taken;
  }
  return taken;
}

}  // namespace trireme::compile
