// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/small_call.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "trireme/base/openmp.h"
#include "trireme/record/op_info.h"

namespace trireme::run {
namespace {

bool small(const std::string& op, const std::vector<std::vector<int64_t>>& tensors,
           bool shared = false) {
  record::CallForm form;
  form.op = &record::op_info(c10::Dispatcher::singleton().findSchemaOrThrow(op.c_str(), ""));
  for (const auto& sizes : tensors) {
    record::Geometry& tensor = form.tensors.emplace_back();
    tensor.dims.set_sizes(sizes);
    tensor.dtype = c10::ScalarType::Float;
  }
  return is_small_call(form, shared);
}

TEST(SmallCall, ProductsGoByTheirOperations) {
  EXPECT_TRUE(small("aten::mm", {{32, 64}, {64, 64}}));
  EXPECT_FALSE(small("aten::mm", {{1024, 512}, {512, 512}}));
  EXPECT_TRUE(small("aten::bmm", {{2, 32, 64}, {2, 64, 64}}));
  EXPECT_FALSE(small("aten::bmm", {{64, 32, 64}, {64, 64, 64}}));
  EXPECT_TRUE(small("aten::addmm", {{64}, {32, 64}, {64, 64}}));
  EXPECT_FALSE(small("aten::addmm", {{512}, {1024, 512}, {512, 512}}));
  EXPECT_TRUE(small("aten::mm", {{0, 64}, {64, 64}}));
}

TEST(SmallCall, ProductsThatReadMuchAreNone) {
  EXPECT_TRUE(small("aten::mm", {{1, 256}, {256, 256}}));
  EXPECT_FALSE(small("aten::mm", {{1, 512}, {512, 1024}}));
  EXPECT_FALSE(small("aten::addmm", {{1024}, {1, 512}, {512, 1024}}));
}

TEST(SmallCall, OthersGoByTheirElements) {
  EXPECT_TRUE(small("aten::relu", {{32, 64}}));
  EXPECT_FALSE(small("aten::relu", {{512, 64}}));
  EXPECT_TRUE(small("aten::gelu_backward", {{32, 64}, {32, 64}}));
}

TEST(SmallCall, ConvolutionsGoByTheirOperations) {
  EXPECT_TRUE(small("aten::convolution", {{1, 8, 16, 16}, {8, 8, 3, 3}}));
  EXPECT_FALSE(small("aten::convolution", {{64, 16, 16, 16}, {16, 16, 3, 3}}));
  const std::vector<std::vector<int64_t>> backward{{1, 8, 16, 16}, {1, 8, 16, 16}, {8, 8, 3, 3}};
  EXPECT_TRUE(small("aten::convolution_backward", backward));
}

TEST(SmallCall, AttentionIsNone) {
  EXPECT_FALSE(small("aten::_scaled_dot_product_flash_attention_for_cpu", {{1, 1, 4, 4}}));
}

TEST(SmallCall, MoreAreWhereAProcessorIsShared) {
  EXPECT_FALSE(small("aten::relu", {{512, 128}}));
  EXPECT_TRUE(small("aten::relu", {{512, 128}}, true));
  EXPECT_FALSE(small("aten::mm", {{256, 128}, {128, 128}}));
  EXPECT_TRUE(small("aten::mm", {{256, 128}, {128, 128}}, true));
  EXPECT_FALSE(small("aten::relu", {{16384, 128}}, true));
}

TEST(SmallCall, FactorsGoByTheCubeOfTheirSize) {
  EXPECT_TRUE(small("aten::linalg_svd", {{32, 32}}));
  EXPECT_FALSE(small("aten::linalg_svd", {{256, 256}}));
  EXPECT_TRUE(small("aten::linalg_cholesky_ex", {{4, 32, 32}}));
  EXPECT_FALSE(small("aten::linalg_cholesky_ex", {{64, 32, 32}}));
}

TEST(OneThread, IsGivenBack) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  {
    const base::OneThread alone(true);
    EXPECT_EQ(omp_get_max_threads(), 1);
  }
  EXPECT_EQ(omp_get_max_threads(), 3);
  {
    const base::OneThread alone(false);
    EXPECT_EQ(omp_get_max_threads(), 3);
  }
  omp_set_num_threads(before);
}

}  // namespace
}  // namespace trireme::run
