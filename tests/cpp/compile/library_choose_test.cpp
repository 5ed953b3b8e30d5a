// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <thread>

#include "trireme/compile/library/choose.h"

namespace trireme::compile {
namespace {

std::map<std::string, int>& runs_by_library() {
  static std::map<std::string, int> runs;
  return runs;
}

// The plain loops under other names, so that the choice shows; `times`: how often they do it.
class Named final : public GemmLibrary {
 public:
  explicit Named(std::string name, int times = 1, bool declines = false)
      : name_(std::move(name)), times_(times), declines_(declines) {}
  std::string name() const override { return name_; }
  GemmResult make(const GemmProblem& problem) const override {
    if (declines_) return {nullptr, "not today"};
    return {std::make_unique<Tagged>(loop_->make(problem).gemm, name_, times_), {}};
  }

 private:
  class Tagged final : public Gemm {
   public:
    Tagged(std::unique_ptr<Gemm> gemm, std::string name, int times)
        : gemm_(std::move(gemm)), name_(std::move(name)), times_(times) {}
    void run(const GemmPointers& pointers, std::byte* scratch) const override {
      ++runs_by_library()[name_];
      for (int i = 0; i < times_; ++i) gemm_->run(pointers, scratch);
    }
    size_t scratch_bytes() const override { return gemm_->scratch_bytes(); }
    std::string description() const override { return name_; }

   private:
    std::unique_ptr<Gemm> gemm_;
    std::string name_;
    int times_;
  };

  std::unique_ptr<GemmLibrary> loop_ = loop_library();
  std::string name_;
  int times_;
  bool declines_;
};

GemmProblem square(int64_t size) {
  GemmProblem problem;
  problem.m = problem.n = problem.k = size;
  problem.a = problem.b = problem.c = {DType::Float32, size, 1, {}};
  return problem;
}

std::vector<std::shared_ptr<const GemmLibrary>> two() {
  return {std::make_shared<Named>("first"), std::make_shared<Named>("second")};
}

// Runs a square product until its class is decided; how often each library has run it.
std::map<std::string, int> decide(GemmChooser& chooser, int64_t size) {
  const GemmResult made = chooser.make(square(size));
  std::vector<float> matrix(static_cast<size_t>(size * size));
  std::vector<float> result(matrix.size());
  runs_by_library().clear();
  for (int i = 0; i < 2 * Trial::kRuns; ++i) {
    made.gemm->run({matrix.data(), matrix.data(), result.data(), nullptr, {}}, nullptr);
  }
  return runs_by_library();
}

TEST(LibraryChoose, TheFirstRunsDecide) {
  GemmChooser chooser({std::make_shared<Named>("slow", 4), std::make_shared<Named>("fast")}, 0);
  EXPECT_EQ(chooser.make(square(64)).gemm->description(), "slow or fast");
  const auto runs = decide(chooser, 64);
  EXPECT_EQ(runs.at("slow"), Trial::kRuns);
  EXPECT_EQ(runs.at("fast"), Trial::kRuns);
  EXPECT_EQ(chooser.make(square(65)).gemm->description(), "fast") << "of the same class";
  EXPECT_EQ(chooser.make(square(300)).gemm->description(), "slow or fast");
}

TEST(LibraryChoose, WithoutTryingTheOrderDecides) {
  GemmChooser chooser(two(), 0);
  EXPECT_EQ(chooser.make(square(64), false).gemm->description(), "first");
  EXPECT_EQ(chooser.export_table(), "");
}

TEST(LibraryChoose, SmallProductsAreNotTried) {
  GemmChooser chooser(two());
  EXPECT_EQ(chooser.make(square(64)).gemm->description(), "first");
  EXPECT_EQ(chooser.make(square(300)).gemm->description(), "first or second");
}

TEST(LibraryChoose, TheLastResortIsNotTried) {
  GemmChooser chooser({loop_library(), std::make_shared<Named>("first")}, 0);
  EXPECT_EQ(chooser.make(square(64)).gemm->description(), "first");
}

TEST(LibraryChoose, OneCandidateIsNotTried) {
  GemmChooser chooser({std::make_shared<Named>("lazy", 1, true), std::make_shared<Named>("only")},
                      0);
  EXPECT_EQ(chooser.make(square(8)).gemm->description(), "only");
}

TEST(LibraryChoose, AllReasonsAreGiven) {
  GemmChooser chooser(
      {std::make_shared<Named>("lazy", 1, true), std::make_shared<Named>("idle", 1, true)});
  const GemmResult made = chooser.make(square(8));
  EXPECT_FALSE(made.gemm);
  EXPECT_EQ(made.reason, "lazy: not today; idle: not today");
}

TEST(LibraryChoose, TheTableGoesOutAndIn) {
  GemmChooser from({std::make_shared<Named>("first", 4), std::make_shared<Named>("second")}, 0);
  decide(from, 64);
  decide(from, 128);
  from.make(square(512));
  const std::string table = from.export_table();
  EXPECT_EQ(std::ranges::count(table, '\n'), 2);
  GemmChooser to(two(), 0);
  EXPECT_EQ(to.import_table(table + "nonsense\n other\nx unknown\n"), 2U);
  EXPECT_EQ(to.export_table(), table);
  EXPECT_EQ(to.make(square(64)).gemm->description(), "second");
}

TEST(LibraryTrial, EachIsUsedInTurnAndTheFastestWins) {
  Trial trial({"a", "b", "c"});
  const std::array<double, 3> times = {3, 1, 2};
  std::array<int, 3> uses{};
  while (!trial.decided()) {
    const size_t now = trial.next();
    ++uses.at(now);
    trial.note(now, times.at(now));
  }
  EXPECT_EQ(uses, (std::array{Trial::kRuns, Trial::kRuns, Trial::kRuns}));
  EXPECT_EQ(trial.next(), 1U);
}

TEST(LibraryTrial, TheFirstUseDoesNotCountAndALittleFasterIsNotEnough) {
  Trial trial({"a", "b"});
  for (int i = 0; i < Trial::kRuns; ++i) {
    trial.note(0, i == 0 ? 0.1 : 1.0);
    trial.note(1, i == 0 ? 0.1 : 0.95);
  }
  ASSERT_TRUE(trial.decided());
  EXPECT_EQ(trial.next(), 0U);
}

TEST(LibraryTrial, ThreadsMayUseItTogether) {
  Trial trial({"a", "b"});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&trial] {
      for (int k = 0; k < 100; ++k) {
        const size_t now = trial.next();
        trial.note(now, now == 0 ? 2 : 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(trial.decided());
  EXPECT_EQ(trial.next(), 1U);
}

TEST(LibraryChoose, ClassesTellApartWhatRunsDifferently) {
  const GemmProblem plain = square(100);
  EXPECT_EQ(class_of(plain), class_of(square(110)));
  EXPECT_NE(class_of(plain), class_of(square(130)));
  GemmProblem other = plain;
  std::swap(other.b.row_stride, other.b.column_stride);
  EXPECT_NE(class_of(plain), class_of(other));
  other = plain;
  other.c.dtype = DType::Float64;
  EXPECT_NE(class_of(plain), class_of(other));
  other = plain;
  other.post_ops.push_back({PostOpKind::Relu, {}});
  EXPECT_NE(class_of(plain), class_of(other));
}

}  // namespace
}  // namespace trireme::compile
