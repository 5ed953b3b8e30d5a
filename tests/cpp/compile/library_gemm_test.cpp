// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "library_support.h"
#include "trireme/base/errors.h"
#include "trireme/base/openmp.h"
#include "trireme/compile/library/finish_after.h"

namespace trireme::compile {
namespace {

using testing::Elements;
using testing::Memory;
using testing::tolerance;

// Dense matrices of a product; `order` 0: rows dense, 1: columns dense.
GemmMatrix dense(DType dtype, const std::vector<int64_t>& batch, int64_t rows, int64_t columns,
                 bool by_columns = false) {
  GemmMatrix matrix{dtype, by_columns ? 1 : columns, by_columns ? rows : 1, {}};
  int64_t stride = rows * columns;
  for (size_t i = batch.size(); i-- > 0;) {
    matrix.batch_strides.insert(matrix.batch_strides.begin(), stride);
    stride *= batch[i];
  }
  return matrix;
}

GemmProblem problem_of(DType dtype, std::vector<int64_t> batch, int64_t m, int64_t n, int64_t k) {
  GemmProblem problem;
  problem.batch = std::move(batch);
  problem.m = m;
  problem.n = n;
  problem.k = k;
  problem.a = dense(dtype, problem.batch, m, k);
  problem.b = dense(dtype, problem.batch, k, n);
  problem.c = dense(dtype, problem.batch, m, n);
  return problem;
}

double apply(PostOpKind kind, double x) {
  switch (kind) {
    case PostOpKind::Relu:
      return std::max(x, 0.0);
    case PostOpKind::GeluErf:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case PostOpKind::GeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case PostOpKind::Sigmoid:
      return 1 / (1 + std::exp(-x));
    case PostOpKind::Silu:
      return x / (1 + std::exp(-x));
    default:
      return std::tanh(x);
  }
}

// Runs a problem on random data and holds it against the naive sum. False: the library declines.
class Trial {
 public:
  Trial(const GemmProblem& problem, unsigned seed) : problem_(problem), random_(seed) {
    const auto fill = [&](const GemmMatrix& matrix, int64_t rows, int64_t columns) {
      Elements elements(matrix.dtype, span_of(matrix, problem.batch, rows, columns));
      elements.fill(random_);
      return elements;
    };
    a_ = std::make_unique<Elements>(fill(problem.a, problem.m, problem.k));
    b_ = std::make_unique<Elements>(fill(problem.b, problem.k, problem.n));
    c_ = std::make_unique<Elements>(fill(problem.c, problem.m, problem.n));
    if (problem.bias) {
      bias_ = std::make_unique<Elements>(problem.bias->dtype,
                                         problem.bias->along_m ? problem.m : problem.n);
      bias_->fill(random_);
    }
    for (const GemmPostOp& op : problem.post_ops) {
      if (op.kind == PostOpKind::Scale) {
        others_.emplace_back(DType::Float32, 1);
        others_.back().set(0, 0.75);
      } else if (op.kind == PostOpKind::Add || op.kind == PostOpKind::Multiply) {
        others_.push_back(fill(op.other, problem.m, problem.n));
      }
    }
    for (const Elements& other : others_) other_pointers_.push_back(other.data());
  }

  GemmPointers pointers(void* c) const {
    return {a_->data(), b_->data(), c, bias_ ? bias_->data() : nullptr, other_pointers_};
  }

  ::testing::AssertionResult run(const GemmLibrary& library) {
    const GemmResult made = library.make(problem_);
    if (!made.gemm) return ::testing::AssertionFailure() << "declined: " << made.reason;
    const Memory scratch(made.gemm->scratch_bytes());
    Elements c(problem_.c.dtype, c_->count());
    std::copy_n(c_->data(), static_cast<size_t>(c.count()) * graph::size_of(c.dtype()), c.data());
    GemmPointers given = pointers(c.data());
    const Memory packed(made.gemm->packed_bytes());
    if (problem_.packed_b) {
      made.gemm->pack(b_->data(), packed.data(), scratch.data());
      given.b = packed.data();
    }
    made.gemm->run(given, scratch.data());
    return compare(c, *made.gemm);
  }

  ::testing::AssertionResult compare(const Elements& c, const Gemm& gemm) const {
    const GemmProblem& p = problem_;
    std::vector<bool> written(static_cast<size_t>(c.count()));
    for (int64_t number = 0; number < p.batch_count(); ++number) {
      for (int64_t i = 0; i < p.m; ++i) {
        for (int64_t j = 0; j < p.n; ++j) {
          const int64_t to = place(p.c, number, i, j);
          written[static_cast<size_t>(to)] = true;
          double magnitude = 0;
          const double expected = expect(number, i, j, magnitude);
          const double got = c.get(to);
          if (!(std::abs(got - expected) <= tolerance(c.dtype(), magnitude))) {
            return ::testing::AssertionFailure()
                   << gemm.description() << ": " << describe(p) << " at " << number << ", " << i
                   << ", " << j << ": " << got << " instead of " << expected;
          }
        }
      }
    }
    for (int64_t i = 0; i < c.count(); ++i) {
      if (!written[static_cast<size_t>(i)] && c.get(i) != c_->get(i)) {
        return ::testing::AssertionFailure()
               << gemm.description() << " wrote outside of C, at element " << i;
      }
    }
    return ::testing::AssertionSuccess();
  }

  Elements& c() { return *c_; }

 private:
  int64_t place(const GemmMatrix& matrix, int64_t number, int64_t row, int64_t column) const {
    int64_t element = row * matrix.row_stride + column * matrix.column_stride;
    for (size_t d = problem_.batch.size(); d-- > 0;) {
      element += number % problem_.batch[d] * matrix.batch_strides[d];
      number /= problem_.batch[d];
    }
    return element;
  }

  double expect(int64_t number, int64_t i, int64_t j, double& magnitude) const {
    double sum = 0;
    for (int64_t k = 0; k < problem_.k; ++k) {
      const double term =
          a_->get(place(problem_.a, number, i, k)) * b_->get(place(problem_.b, number, k, j));
      sum += term;
      magnitude += std::abs(term);
    }
    if (problem_.bias) sum += bias_->get(problem_.bias->along_m ? i : j);
    size_t next = 0;
    for (const GemmPostOp& op : problem_.post_ops) {
      switch (op.kind) {
        case PostOpKind::Accumulate:
          sum += c_->get(place(problem_.c, number, i, j));
          break;
        case PostOpKind::Scale:
          sum *= others_[next++].get(0);
          break;
        case PostOpKind::Add:
          sum += others_[next++].get(place(op.other, number, i, j));
          break;
        case PostOpKind::Multiply:
          sum *= others_[next++].get(place(op.other, number, i, j));
          break;
        default:
          sum = apply(op.kind, sum);
      }
    }
    return sum;
  }

  GemmProblem problem_;
  std::mt19937 random_;
  std::unique_ptr<Elements> a_;
  std::unique_ptr<Elements> b_;
  std::unique_ptr<Elements> c_;
  std::unique_ptr<Elements> bias_;
  std::vector<Elements> others_;
  std::vector<const void*> other_pointers_;
};

std::vector<DType> floats() {
  std::vector<DType> dtypes{DType::Float32, DType::Float16};
  if (testing::has_bfloat16()) dtypes.push_back(DType::BFloat16);
  return dtypes;
}

TEST(LibraryGemm, AllTransposesAndTypes) {
  const auto library = onednn_library();
  unsigned seed = 0;
  for (const DType dtype : floats()) {
    for (const bool a : {false, true}) {
      for (const bool b : {false, true}) {
        for (const bool c : {false, true}) {
          GemmProblem problem = problem_of(dtype, {}, 33, 47, 65);
          problem.a = dense(dtype, {}, 33, 65, a);
          problem.b = dense(dtype, {}, 65, 47, b);
          problem.c = dense(dtype, {}, 33, 47, c);
          EXPECT_TRUE(Trial(problem, seed++).run(*library));
          problem.c.dtype = DType::Float32;
          EXPECT_TRUE(Trial(problem, seed++).run(*library));
        }
      }
    }
  }
}

TEST(LibraryGemm, CommonLayoutsAreNotCopied) {
  const auto library = onednn_library();
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    if (dtype == DType::BFloat16 && !__builtin_cpu_supports("avx512bf16")) continue;
    for (int which = 0; which < 8; ++which) {
      GemmProblem problem = problem_of(dtype, {}, 128, 96, 64);
      problem.a = dense(dtype, {}, 128, 64, (which & 1) != 0);
      problem.b = dense(dtype, {}, 64, 96, (which & 2) != 0);
      problem.c = dense(dtype, {}, 128, 96, (which & 4) != 0);
      const GemmResult made = library->make(problem);
      ASSERT_TRUE(made.gemm) << made.reason;
      EXPECT_EQ(made.gemm->description().find("copies"), std::string::npos)
          << made.gemm->description() << " " << which;
    }
  }
}

TEST(LibraryGemm, HeadsInTheMiddle) {
  // q k^T of [batch, length, heads, size]
  GemmProblem problem = problem_of(DType::Float32, {2, 4}, 16, 16, 32);
  problem.a = {DType::Float32, 4 * 32, 1, {16 * 4 * 32, 32}};
  problem.b = {DType::Float32, 1, 4 * 32, {16 * 4 * 32, 32}};
  problem.post_ops.push_back({PostOpKind::Scale, {}});
  const auto library = onednn_library();
  EXPECT_TRUE(Trial(problem, 1).run(*library));
  const GemmResult made = library->make(problem);
  EXPECT_EQ(made.gemm->description().find("copies"), std::string::npos) << made.gemm->description();
  // and the result back in the middle
  GemmProblem back = problem_of(DType::Float32, {2, 4}, 16, 32, 16);
  back.b = {DType::Float32, 4 * 32, 1, {16 * 4 * 32, 32}};
  back.c = {DType::Float32, 4 * 32, 1, {16 * 4 * 32, 32}};
  EXPECT_TRUE(Trial(back, 2).run(*library));
}

TEST(LibraryGemm, BatchesBroadcast) {
  const auto library = onednn_library();
  GemmProblem problem = problem_of(DType::Float32, {3, 5}, 8, 9, 10);
  problem.a.batch_strides = {80, 0};
  problem.b.batch_strides = {0, 90};
  EXPECT_TRUE(Trial(problem, 3).run(*library));
}

TEST(LibraryGemm, StridesThatAreNotDenseAreCopied) {
  const auto library = onednn_library();
  GemmProblem problem = problem_of(DType::Float32, {}, 20, 24, 28);
  problem.a = {DType::Float32, 28 * 3, 3, {}};
  problem.b = {DType::Float32, 2, 100, {}};
  problem.c = {DType::Float32, 24 * 2 + 5, 2, {}};
  problem.post_ops.push_back({PostOpKind::Accumulate, {}});
  EXPECT_TRUE(Trial(problem, 4).run(*library));
  EXPECT_NE(library->make(problem).gemm->description().find("copies"), std::string::npos);
}

TEST(LibraryGemm, BiasAlongEitherSide) {
  const auto library = onednn_library();
  for (const DType dtype : floats()) {
    for (const bool along_m : {false, true}) {
      for (const bool by_columns : {false, true}) {
        GemmProblem problem = problem_of(dtype, {}, 17, 31, 12);
        problem.c = dense(dtype, {}, 17, 31, by_columns);
        problem.bias = {dtype, along_m};
        EXPECT_TRUE(Trial(problem, 5).run(*library)) << along_m << by_columns;
      }
    }
  }
}

TEST(LibraryGemm, PostOpsInTheirOrder) {
  const auto library = onednn_library();
  using Kind = PostOpKind;
  const std::vector<std::vector<Kind>> chains = {
      {Kind::Relu},
      {Kind::GeluErf},
      {Kind::GeluTanh},
      {Kind::Sigmoid},
      {Kind::Silu},
      {Kind::Tanh},
      {Kind::Accumulate},
      {Kind::Scale, Kind::Accumulate},
      {Kind::Accumulate, Kind::Scale},
      {Kind::Silu, Kind::Multiply},
      {Kind::Multiply, Kind::Add, Kind::Relu},
      {Kind::Scale, Kind::Add, Kind::Tanh},
  };
  for (const DType dtype : floats()) {
    for (const bool by_columns : {false, true}) {
      for (const auto& chain : chains) {
        GemmProblem problem = problem_of(dtype, {2}, 19, 23, 8);
        problem.c = dense(dtype, {2}, 19, 23, by_columns);
        for (const Kind kind : chain) problem.post_ops.push_back({kind, problem.c});
        EXPECT_TRUE(Trial(problem, 6).run(*library))
            << name_of(dtype) << by_columns << ", chain " << &chain - chains.data();
      }
    }
  }
}

TEST(LibraryGemm, PostOpsWithBroadcastTensors) {
  const auto library = onednn_library();
  for (const auto kind : {PostOpKind::Add, PostOpKind::Multiply}) {
    for (const bool by_columns : {false, true}) {
      for (int which = 0; which < 3; ++which) {
        GemmProblem problem = problem_of(DType::Float32, {}, 24, 40, 16);
        problem.c = dense(DType::Float32, {}, 24, 40, by_columns);
        problem.post_ops.push_back(
            {kind, {DType::Float32, which == 0 ? 1 : 0, which == 1 ? 1 : 0, {}}});
        EXPECT_TRUE(Trial(problem, 7).run(*library)) << which << by_columns;
      }
    }
  }
}

TEST(LibraryGemm, PackedWeights) {
  const auto library = onednn_library();
  for (const DType dtype : floats()) {
    if (dtype == DType::Float16) continue;  // is widened: packing would be of f32
    for (const bool by_columns : {false, true}) {
      GemmProblem problem = problem_of(dtype, {}, 37, 129, 70);
      problem.b = dense(dtype, {}, 70, 129, by_columns);
      problem.packed_b = true;
      problem.bias = {dtype, false};
      EXPECT_TRUE(Trial(problem, 8).run(*library));
      EXPECT_GE(library->make(problem).gemm->packed_bytes(), 70U * 129U * size_of(dtype));
    }
  }
  const GemmResult plain = library->make(problem_of(DType::Float32, {}, 2, 2, 2));
  EXPECT_THROW(plain.gemm->pack(nullptr, nullptr, nullptr), Error);
}

TEST(LibraryGemm, RandomShapesAgreeWithTheNaiveSum) {
  const auto onednn = onednn_library();
  const auto loop = loop_library();
  const std::vector<DType> dtypes = floats();
  std::mt19937 random(20);
  const auto draw = [&](int64_t from, int64_t to) {
    return std::uniform_int_distribution<int64_t>(from, to)(random);
  };
  for (unsigned round = 0; round < 300; ++round) {
    std::vector<int64_t> batch;
    for (int64_t i = draw(0, 2); i > 0; --i) batch.push_back(draw(1, 3));
    const DType dtype =
        dtypes[static_cast<size_t>(draw(0, static_cast<int64_t>(dtypes.size()) - 1))];
    GemmProblem problem = problem_of(dtype, batch, draw(1, 40), draw(1, 40), draw(1, 40));
    problem.a = dense(dtype, batch, problem.m, problem.k, draw(0, 1) == 1);
    problem.b = dense(dtype, batch, problem.k, problem.n, draw(0, 1) == 1);
    problem.c = dense(dtype, batch, problem.m, problem.n, draw(0, 1) == 1);
    for (GemmMatrix* matrix : {&problem.a, &problem.b, &problem.c}) {
      // a view of something larger
      const int64_t step = draw(0, 5) == 0 ? 2 : 1;
      matrix->row_stride *= step;
      matrix->column_stride *= step;
      for (int64_t& stride : matrix->batch_strides) stride *= step;
    }
    if (draw(0, 3) == 0) problem.bias = {dtype, draw(0, 1) == 1};
    if (draw(0, 3) == 0) problem.post_ops.push_back({PostOpKind::Accumulate, {}});
    EXPECT_TRUE(Trial(problem, round).run(*onednn)) << "round " << round;
    for (const DType other : {DType::Float64, DType::Int64, DType::Int8}) {
      GemmProblem plain = problem;
      plain.a.dtype = plain.b.dtype = plain.c.dtype = other;
      if (plain.bias) plain.bias->dtype = other;
      if (other == DType::Int8) plain.k = std::min<int64_t>(plain.k, 1);  // no wrapping here
      EXPECT_TRUE(Trial(plain, round).run(*loop)) << "round " << round;
    }
  }
}

TEST(LibraryGemm, LoopsWrapIntegers) {
  GemmProblem problem = problem_of(DType::Int8, {}, 1, 1, 2);
  const std::array<int8_t, 2> a{100, 100};
  const std::array<int8_t, 2> b{2, 1};
  int8_t c = 0;
  const GemmResult made = loop_library()->make(problem);
  ASSERT_TRUE(made.gemm);
  made.gemm->run({a.data(), b.data(), &c, nullptr, {}}, nullptr);
  EXPECT_EQ(c, 300 - 256);
}

TEST(LibraryGemm, DeclinesWithAReason) {
  const auto library = onednn_library();
  EXPECT_NE(library->make(problem_of(DType::Float64, {}, 2, 2, 2)).reason.find("f64"),
            std::string::npos);
  GemmProblem repeated = problem_of(DType::Float32, {}, 2, 3, 4);
  repeated.a.row_stride = 0;
  EXPECT_NE(library->make(repeated).reason.find("repeats"), std::string::npos);
  GemmProblem overlapping = problem_of(DType::Float32, {}, 2, 3, 4);
  overlapping.c.row_stride = 0;
  EXPECT_FALSE(library->make(overlapping).gemm);
  EXPECT_FALSE(loop_library()->make(problem_of(DType::Complex64, {}, 2, 2, 2)).gemm);
}

TEST(LibraryGemm, ConcurrentRunsAndOtherNumbersOfThreads) {
  const GemmProblem problem = problem_of(DType::Float32, {}, 64, 64, 64);
  Trial trial(problem, 9);
  const auto library = onednn_library();
  const GemmResult made = library->make(problem);
  std::vector<::testing::AssertionResult> results(4, ::testing::AssertionFailure());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < results.size(); ++t) {
    threads.emplace_back([&, t] {
      omp_set_num_threads(static_cast<int>(t) + 1);
      const Memory scratch(made.gemm->scratch_bytes());
      const Elements c(DType::Float32, trial.c().count());
      for (int i = 0; i < 20; ++i) made.gemm->run(trial.pointers(c.data()), scratch.data());
      results[t] = trial.compare(c, *made.gemm);
      if (omp_get_max_threads() != static_cast<int>(t) + 1) {
        results[t] = ::testing::AssertionFailure() << "the number of threads was changed";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_TRUE(result);
}

// What a library that has no post-ops does: they come in a pass after it.
TEST(FinishAfter, IsWhatTheProblemSays) {
  using Kind = PostOpKind;
  const auto library = onednn_library();
  class After final : public GemmLibrary {
   public:
    explicit After(const GemmLibrary& plain) : plain_(plain) {}
    std::string name() const override { return "after"; }
    GemmResult make(const GemmProblem& problem) const override {
      return finish_after(problem, [&](const GemmProblem& one) {
        EXPECT_TRUE(!one.bias && one.post_ops.empty());
        return plain_.make(one);
      });
    }

   private:
    const GemmLibrary& plain_;
  };
  const After after(*library);
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float16}) {
    for (const bool along_m : {false, true}) {
      for (const bool packed : {false, true}) {
        GemmProblem problem = problem_of(dtype, {3}, 17, 300, 8);
        problem.packed_b = packed;
        problem.bias = GemmBias{dtype, along_m};
        problem.post_ops = {{Kind::Relu, {}}, {Kind::Multiply, problem.c}, {Kind::Tanh, {}}};
        GemmMatrix column = problem.c;  // one number for each row of each matrix
        column.column_stride = 0;
        problem.post_ops.push_back({Kind::Add, column});
        EXPECT_TRUE(Trial(problem, 7).run(after)) << name_of(dtype) << along_m << packed;
      }
    }
  }
  GemmProblem sums = problem_of(DType::Float32, {}, 8, 8, 8);
  sums.post_ops = {{Kind::Accumulate, {}}};
  EXPECT_EQ(after.make(sums).gemm, nullptr);
}

}  // namespace
}  // namespace trireme::compile
