// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/promotion.h"

#include <gtest/gtest.h>

#include "trireme/graph/build/lowering.h"

namespace trireme::graph {
namespace {

Tensor tensor(DType dtype, size_t rank) {
  Tensor made;
  made.storage = 0;
  made.dtype = dtype;
  made.sizes.assign(rank, 2);
  made.strides.assign(rank, 1);
  return made;
}

Number number(DType dtype) {
  Number made;
  made.dtype = dtype;
  return made;
}

DType of(const Tensor& a, const Tensor& b) {
  return Promotion(DType::Float32).add(a).add(b).result();
}

DType of(const Tensor& a, const Number& b) {
  return Promotion(DType::Float32).add(a).add(b).result();
}

TEST(Promotion, TensorsWithDimensionsDecideWithinACategory) {
  EXPECT_EQ(of(tensor(DType::Float16, 1), tensor(DType::Float32, 0)), DType::Float16);
  EXPECT_EQ(of(tensor(DType::Int8, 1), tensor(DType::Int64, 0)), DType::Int8);
  EXPECT_EQ(of(tensor(DType::Int8, 1), tensor(DType::Float64, 0)), DType::Float64);
  EXPECT_EQ(of(tensor(DType::Float16, 1), tensor(DType::BFloat16, 2)), DType::Float32);
  EXPECT_EQ(of(tensor(DType::UInt8, 1), tensor(DType::Int8, 1)), DType::Int16);
}

TEST(Promotion, NumbersAreWeakest) {
  EXPECT_EQ(of(tensor(DType::BFloat16, 1), number(DType::Float64)), DType::BFloat16);
  EXPECT_EQ(of(tensor(DType::Int32, 0), number(DType::Float64)), DType::Float32);
  EXPECT_EQ(of(tensor(DType::Bool, 1), number(DType::Int64)), DType::Int64);
  EXPECT_EQ(of(tensor(DType::UInt8, 1), number(DType::Bool)), DType::UInt8);
}

TEST(Promotion, AFloatingTensorKeepsItsPrecisionWhenItBecomesComplex) {
  EXPECT_EQ(of(tensor(DType::Float32, 1), tensor(DType::Complex128, 0)), DType::Complex64);
  EXPECT_EQ(of(tensor(DType::Float64, 1), number(DType::Complex128)), DType::Complex128);
  EXPECT_EQ(of(tensor(DType::BFloat16, 1), number(DType::Complex128)), DType::Complex64);
  EXPECT_EQ(of(tensor(DType::Float32, 1), tensor(DType::Complex128, 1)), DType::Complex128);
  EXPECT_THROW(of(tensor(DType::Float16, 1), number(DType::Complex128)), Declined);
}

}  // namespace
}  // namespace trireme::graph
