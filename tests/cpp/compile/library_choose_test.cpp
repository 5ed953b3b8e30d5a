// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "library_support.h"
#include "trireme/base/openmp.h"
#include "trireme/compile/library/choose.h"

namespace trireme::compile {
namespace {

// The plain loops under other names, so that the choice shows.
class Named final : public GemmLibrary {
 public:
  explicit Named(std::string name, bool declines = false)
      : name_(std::move(name)), declines_(declines) {}
  std::string name() const override { return name_; }
  GemmResult make(const GemmProblem& problem) const override {
    if (declines_) return {nullptr, "not today"};
    return {std::make_unique<Tagged>(loop_->make(problem).gemm, name_), {}};
  }

 private:
  class Tagged final : public Gemm {
   public:
    Tagged(std::unique_ptr<Gemm> gemm, std::string name)
        : gemm_(std::move(gemm)), name_(std::move(name)) {}
    void run(const GemmPointers& pointers, std::byte* scratch) const override {
      gemm_->run(pointers, scratch);
    }
    size_t scratch_bytes() const override { return gemm_->scratch_bytes(); }
    std::string description() const override { return name_; }

   private:
    std::unique_ptr<Gemm> gemm_;
    std::string name_;
  };

  std::unique_ptr<GemmLibrary> loop_ = loop_library();
  std::string name_;
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

TEST(LibraryChoose, TheFastestRunsItsClassAndIsMeasuredOnce) {
  int measurements = 0;
  GemmChooser chooser(two(), {.by = [&](const Gemm& gemm, const GemmProblem&, double budget) {
                        ++measurements;
                        EXPECT_GT(budget, 0);
                        EXPECT_LE(budget, 0.003);
                        return gemm.description() == "second" ? 1.0 : 2.0;
                      }});
  EXPECT_EQ(chooser.make(square(64)).gemm->description(), "second");
  EXPECT_EQ(measurements, 2);
  EXPECT_EQ(chooser.make(square(65)).gemm->description(), "second");
  EXPECT_EQ(measurements, 2);
  EXPECT_EQ(chooser.make(square(300)).gemm->description(), "second");
  EXPECT_EQ(measurements, 4);
}

TEST(LibraryChoose, WithoutMeasuringTheOrderDecides) {
  GemmChooser chooser(two(), {.measure = false});
  EXPECT_EQ(chooser.make(square(64)).gemm->description(), "first");
  EXPECT_EQ(chooser.export_table(), "");
}

TEST(LibraryChoose, EqualTimesGoByTheOrder) {
  GemmChooser chooser(two(), {.by = [](const Gemm&, const GemmProblem&, double) { return 1.0; }});
  EXPECT_EQ(chooser.make(square(64)).gemm->description(), "first");
}

TEST(LibraryChoose, OneCandidateIsNotMeasured) {
  GemmChooser chooser({std::make_shared<Named>("lazy", true), std::make_shared<Named>("only")},
                      {.by = [](const Gemm&, const GemmProblem&, double) -> double {
                        ADD_FAILURE() << "measured";
                        return 0;
                      }});
  EXPECT_EQ(chooser.make(square(8)).gemm->description(), "only");
}

TEST(LibraryChoose, AllReasonsAreGiven) {
  GemmChooser chooser(
      {std::make_shared<Named>("lazy", true), std::make_shared<Named>("idle", true)});
  const GemmResult made = chooser.make(square(8));
  EXPECT_FALSE(made.gemm);
  EXPECT_EQ(made.reason, "lazy: not today; idle: not today");
}

TEST(LibraryChoose, TheTableGoesOutAndIn) {
  GemmChooser from(two(), {.by = [](const Gemm& gemm, const GemmProblem&, double) {
                     return gemm.description() == "second" ? 1.0 : 2.0;
                   }});
  from.make(square(64));
  from.make(square(512));
  const std::string table = from.export_table();
  EXPECT_EQ(std::ranges::count(table, '\n'), 2);
  GemmChooser to(two(), {.by = [](const Gemm&, const GemmProblem&, double) -> double {
                   ADD_FAILURE() << "measured what the table has";
                   return 0;
                 }});
  EXPECT_EQ(to.import_table(table + "nonsense\n other\nx unknown\n"), 2U);
  EXPECT_EQ(to.export_table(), table);
  EXPECT_EQ(to.make(square(64)).gemm->description(), "second");
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
  other.post_ops.push_back({GemmPostOpKind::Relu, {}});
  EXPECT_NE(class_of(plain), class_of(other));
}

TEST(LibraryChoose, SamplesAreSmallAndOfTheSameLayout) {
  GemmProblem large = square(4096);
  large.batch = {64};
  large.a.batch_strides = large.c.batch_strides = {4096 * 4096};
  large.b = {DType::Float32, 1, 9999, {0}};
  large.post_ops.push_back({GemmPostOpKind::Add, {DType::Float32, 0, 1, {0}}});
  const GemmProblem sample = sample_of(large, 1e8);
  EXPECT_TRUE(check(sample).empty());
  EXPECT_LE(2.0 * static_cast<double>(sample.batch_count() * sample.m * sample.n * sample.k), 1e8);
  EXPECT_GT(2.0 * static_cast<double>(sample.batch_count() * sample.m * sample.n * sample.k), 1e7);
  EXPECT_EQ(sample.b.row_stride, 1);
  EXPECT_EQ(sample.b.batch_strides[0], 0);
  EXPECT_EQ(sample.post_ops[0].other.column_stride, 1);
  EXPECT_TRUE(onednn_library()->make(sample).gemm);
}

TEST(LibraryChoose, ByTheClockOneDnnBeatsPlainLoops) {
  // One thread: on a busy machine threads that wait for each other make any time.
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  GemmChooser chooser({loop_library(), onednn_library()});
  const GemmResult made = chooser.make(square(512));
  ASSERT_TRUE(made.gemm);
  EXPECT_EQ(made.gemm->description().find("onednn"), 0U) << made.gemm->description();
  GemmProblem doubles = square(16);
  doubles.a.dtype = doubles.b.dtype = doubles.c.dtype = DType::Float64;
  EXPECT_EQ(chooser.make(doubles).gemm->description(), "loop");
  omp_set_num_threads(threads);
}

}  // namespace
}  // namespace trireme::compile
