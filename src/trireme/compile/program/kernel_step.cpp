// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/program/kernel_step.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>
#include <vector>

#include "trireme/base/openmp.h"
#include "trireme/compile/kernel/columns.h"
#include "trireme/compile/plan/sharing.h"
#include "trireme/compile/program/check_indices.h"

namespace trireme::compile {
namespace {

// Statements times trips below which a second thread costs more than it does: waking it takes about
// as long as this many vector statements.
constexpr double kSerialWork = 100'000;
constexpr double kSecondsOfWork = 5e-11;
constexpr int64_t kPiecesPerThread = 4;  // points of a range may differ in work
constexpr int64_t kColumns = 256;  // points of a sum of columns that one thread takes, at least
constexpr int64_t kLine = 64;      // points; so that threads do not write one cache line

double work_of(const std::vector<Statement>& body, std::span<const int64_t> symbols);

double work_of(const Loop& loop, std::span<const int64_t> symbols) {
  return static_cast<double>(loop.count.evaluate(symbols)) * work_of(loop.body, symbols);
}

double work_of(const std::vector<Statement>& body, std::span<const int64_t> symbols) {
  double work = 0;
  for (const Statement& statement : body) {
    const auto* loop = std::get_if<Loop>(&statement.is);
    work += loop != nullptr ? work_of(*loop, symbols) : 1;
  }
  return work;
}

double work_of(const Kernel& kernel, std::span<const int64_t> symbols) {
  double work = 0;
  for (const Loop& loop : kernel.body) work += work_of(loop, symbols);
  return work;
}

ScalarArg scalar_arg(const graph::Number& number) { return {number.integer, number.real}; }

class PreparedKernel final : public PreparedStep {
 public:
  PreparedKernel(const ClusterKernel& cluster, KernelFunction function,
                 std::span<const int64_t> symbols)
      : buffers_(cluster.buffers),
        numbers_(cluster.numbers),
        randoms_(cluster.randoms),
        checks_(cluster.checks),
        function_(function),
        range_(range_of(cluster.kernel).evaluate(symbols)),
        scratch_(scratch_offset(cluster.kernel, cluster.kernel.scratch.size())) {
    if (work_of(cluster.kernel, symbols) >= kSerialWork) {
      threads_ = std::max(1, omp_get_max_threads());
    }
    const int64_t pieces = std::min<int64_t>(range_, threads_ * kPiecesPerThread);
    piece_ = pieces == 0 ? 0 : (range_ + pieces - 1) / pieces;
    // Threads read rows along: the longer the pieces, the better.
    if (std::ranges::any_of(cluster.kernel.body, is_column_sum)) {
      piece_ = std::max((range_ + threads_ - 1) / threads_, std::min<int64_t>(range_, kColumns));
    }
    if (piece_ > kLine) piece_ = (piece_ + kLine - 1) / kLine * kLine;
    if (piece_ >= range_) threads_ = 1;
  }

  size_t scratch_bytes() const override { return scratch_ * static_cast<size_t>(threads_); }

  void run(const Frame& frame) const override {
    if (range_ == 0) return;
    for (const IndexCheck& check : checks_) {
      check_indices(check, frame.at(check.indices.value), frame.values.symbols);
    }
    std::vector<std::byte*> memory;
    memory.reserve(buffers_.size());
    for (const KernelBuffer& buffer : buffers_) memory.push_back(frame.at(buffer.value));
    std::vector<ScalarArg> numbers;
    numbers.reserve(numbers_.size() + 2 * randoms_.size());
    for (const uint32_t number : numbers_) {
      numbers.push_back(scalar_arg(frame.values.numbers[number]));
    }
    for (const uint32_t random : randoms_) {
      const graph::RandomState& state = frame.values.randoms[random];
      numbers.push_back({static_cast<int64_t>(state.seed), 0});
      numbers.push_back({static_cast<int64_t>(state.offset), 0});
    }
    const auto piece = [&](int64_t begin, int64_t end, size_t thread) {
      function_(memory.data(), numbers.data(), frame.values.symbols.data(),
                frame.scratch + thread * scratch_, begin, end);
    };
    if (threads_ == 1) {
      piece(0, range_, 0);
      return;
    }
    std::atomic<int64_t> next{0};
#pragma omp parallel num_threads(threads_)
    {
      const auto thread = static_cast<size_t>(omp_get_thread_num());
      for (int64_t begin = next.fetch_add(piece_); begin < range_; begin = next.fetch_add(piece_)) {
        piece(begin, std::min(begin + piece_, range_), thread);
      }
    }
  }

 private:
  std::span<const KernelBuffer> buffers_;
  std::span<const uint32_t> numbers_;
  std::span<const uint32_t> randoms_;
  std::span<const IndexCheck> checks_;
  KernelFunction function_;
  int64_t range_;
  size_t scratch_;
  int threads_ = 1;
  int64_t piece_ = 0;
};

}  // namespace

KernelStep::KernelStep(ClusterKernel kernel, uint32_t call)
    : kernel_(std::move(kernel)), call_(call) {}

void KernelStep::load(std::shared_ptr<const Module> module, KernelFunction function) {
  module_ = std::move(module);
  function_ = function;
}

StepAccess KernelStep::access() const {
  StepAccess access;
  // A value may be read through several buffers.
  std::map<ValueId, std::vector<uint32_t>> readers;
  for (uint32_t i = 0; i < kernel_.buffers.size(); ++i) {
    if (kernel_.kernel.buffers[i].written) continue;
    access.reads.push_back(kernel_.buffers[i].value);
    readers[kernel_.buffers[i].value].push_back(i);
  }
  const Sharing sharing(kernel_.kernel);
  for (uint32_t i = 0; i < kernel_.buffers.size(); ++i) {
    if (!kernel_.kernel.buffers[i].written) continue;
    StepAccess::Write write{kernel_.buffers[i].value, kernel_.buffers[i].base};
    for (const auto& [value, buffers] : readers) {
      const bool replaces = std::ranges::all_of(
          buffers, [&](uint32_t read) { return sharing.may_take_place(read, i); });
      if (replaces) write.over.push_back(value);
    }
    access.writes.push_back(std::move(write));
  }
  return access;
}

std::unique_ptr<PreparedStep> KernelStep::prepare(std::span<const int64_t> symbols) const {
  return std::make_unique<PreparedKernel>(kernel_, function_, symbols);
}

double KernelStep::parallel_seconds(std::span<const int64_t> symbols) const {
  const double work = work_of(kernel_.kernel, symbols);
  return work >= kSerialWork ? work * kSecondsOfWork : 0;
}

std::string KernelStep::describe() const { return print(kernel_.kernel); }

}  // namespace trireme::compile
