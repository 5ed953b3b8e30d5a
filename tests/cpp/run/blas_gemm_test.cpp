// SPDX-License-Identifier: Apache-2.0
// The products of libtorch's BLAS against plain loops. Here, since libtorch is in this process.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "trireme/compile/library/gemm.h"

namespace trireme::compile {
namespace {

template <class T>
DType dtype_of() {
  return std::is_same_v<T, float> ? DType::Float32 : DType::Float64;
}

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}
  int64_t number(int64_t from, int64_t to) {
    return std::uniform_int_distribution<int64_t>(from, to)(random_);
  }
  bool one_in(int64_t count) { return number(1, count) == 1; }

  // Rows or columns dense, now and then with gaps between them.
  GemmMatrix matrix(DType dtype, const std::vector<int64_t>& batch, int64_t rows, int64_t columns,
                    bool may_repeat) {
    const bool by_columns = one_in(2);
    const int64_t inner = (by_columns ? rows : columns) + (one_in(3) ? 5 : 0);
    GemmMatrix result{dtype, by_columns ? 1 : inner, by_columns ? inner : 1, {}};
    int64_t stride = inner * (by_columns ? columns : rows);
    result.batch_strides.resize(batch.size());
    for (size_t i = batch.size(); i-- > 0;) {
      if (may_repeat && one_in(4)) continue;
      result.batch_strides[i] = stride;
      stride *= batch[i];
    }
    return result;
  }

  template <class T>
  std::vector<T> fill(const GemmMatrix& matrix, const GemmProblem& problem, int64_t rows,
                      int64_t columns) {
    std::vector<T> values(static_cast<size_t>(span_of(matrix, problem.batch, rows, columns)));
    for (T& value : values) value = static_cast<T>(number(-8, 8)) / 8;
    return values;
  }

 private:
  std::mt19937 random_;
};

template <class T>
void agrees_with_loops(unsigned seed) {
  Draw draw(seed);
  GemmProblem problem;
  for (int64_t i = draw.number(0, 2); i > 0; --i) problem.batch.push_back(draw.number(1, 5));
  problem.m = draw.number(1, 40);
  problem.n = draw.number(1, 40);
  problem.k = draw.number(1, 40);
  const DType dtype = dtype_of<T>();
  problem.a = draw.matrix(dtype, problem.batch, problem.m, problem.k, true);
  problem.b = draw.matrix(dtype, problem.batch, problem.k, problem.n, true);
  problem.c = draw.matrix(dtype, problem.batch, problem.m, problem.n, false);
  std::vector<T> bias;
  if (draw.one_in(3)) {
    problem.post_ops.push_back({PostOpKind::Accumulate, {}});
  } else if (dtype == DType::Float32 && draw.one_in(2)) {
    problem.bias = GemmBias{dtype, draw.one_in(2)};
    problem.post_ops.push_back({PostOpKind::Relu, {}});
    bias = draw.fill<T>({dtype, 0, 1, std::vector<int64_t>(problem.batch.size())}, problem, 1,
                        std::max(problem.m, problem.n));
  }
  const auto a = draw.fill<T>(problem.a, problem, problem.m, problem.k);
  const auto b = draw.fill<T>(problem.b, problem, problem.k, problem.n);
  const auto c = draw.fill<T>(problem.c, problem, problem.m, problem.n);
  std::vector<std::vector<T>> results;
  for (const auto& library : {blas_library(), loop_library()}) {
    const GemmResult made = library->make(problem);
    ASSERT_TRUE(made.gemm) << made.reason;
    results.push_back(c);
    made.gemm->run({a.data(), b.data(), results.back().data(), bias.data(), {}}, nullptr);
  }
  for (size_t i = 0; i < c.size(); ++i) {
    // The numbers are multiples of 1/8: their products and sums are exact.
    ASSERT_EQ(results[0][i], results[1][i]) << describe(problem) << ", element " << i;
  }
}

TEST(BlasGemm, AgreesWithPlainLoops) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    agrees_with_loops<float>(seed);
    agrees_with_loops<double>(seed);
  }
}

TEST(BlasGemm, DeclinesWithAReason) {
  const auto library = blas_library();
  GemmProblem problem;
  problem.m = problem.n = problem.k = 4;
  problem.a = problem.b = problem.c = {DType::Float64, 4, 1, {}};
  ASSERT_TRUE(library->make(problem).gemm);
  GemmProblem other = problem;
  other.bias = GemmBias{DType::Float64, false};
  EXPECT_NE(library->make(other).reason.find("bias"), std::string::npos);
  other = problem;
  other.post_ops.push_back({PostOpKind::Relu, {}});
  EXPECT_NE(library->make(other).reason.find("post-ops"), std::string::npos);
  other.a = other.b = other.c = {DType::Float32, 4, 1, {}};
  EXPECT_TRUE(library->make(other).gemm);
  other.post_ops.push_back({PostOpKind::GeluErf, {}});
  EXPECT_NE(library->make(other).reason.find("post-ops"), std::string::npos);
  other = problem;
  other.packed_b = true;
  EXPECT_NE(library->make(other).reason.find("packed"), std::string::npos);
  other = problem;
  other.a.row_stride = 0;
  EXPECT_NE(library->make(other).reason.find("dense"), std::string::npos);
  other = problem;
  other.a.column_stride = 2;
  other.a.row_stride = 8;
  EXPECT_NE(library->make(other).reason.find("dense"), std::string::npos);
  other.a = other.b = other.c = {DType::BFloat16, 4, 1, {}};
  EXPECT_NE(library->make(other).reason.find("bf16"), std::string::npos);
}

}  // namespace
}  // namespace trireme::compile
