// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/cpp/graph/rows_support.h"
#include "trireme/graph/build/op_table.h"

namespace trireme::graph {
namespace {

using testing::CallRunner;
using testing::integer;
using testing::one;
using testing::real;
using testing::result;
using testing::text;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(PointwiseRows, AddIsOneMapThatBroadcasts) {
  CallRunner calls;
  const Tensor a = calls.tensor({4, 8});
  const Tensor b = calls.tensor({8});
  calls.add("add.Tensor", {a, b, one()}, {calls.fresh({4, 8})});
  const Graph& graph = calls.graph();
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(text(graph.nodes[0]), "add(load0, load1)");
  EXPECT_EQ(graph.nodes[0].operands[1].view.strides, (Extents{0, 1}));
}

TEST(PointwiseRows, HalfPrecisionIsComputedInFloatAndRoundedOnce) {
  CallRunner calls;
  const Tensor a = calls.tensor({4}, DType::BFloat16);
  calls.add("add.Tensor", {a, a, real(0.5)}, {calls.fresh({4}, DType::BFloat16)});
  EXPECT_EQ(text(calls.graph().nodes[0]), "bf16(add(f32(load0), mul(f32(bf16(0.5)), f32(load0))))");
}

TEST(PointwiseRows, AnAlphaThatVariesIsAnInputAndGuardsNothing) {
  CallRunner calls;
  const Tensor a = calls.scalar(1);
  const Tensor b = calls.scalar(2);
  const Tensor sum = calls.fresh_scalar();
  calls.add("add.Tensor", {a, b, calls.varying(1)}, {sum});
  EXPECT_TRUE(calls.guards().empty());
  EXPECT_EQ(text(calls.graph().nodes[0]), "add(load0, mul(number0, load1))");
  EXPECT_EQ(calls.value(sum), 3);
}

TEST(PointwiseRows, InPlaceComputesInTheCommonType) {
  CallRunner calls;
  const Tensor a = calls.tensor({4}, DType::Float16);
  const Tensor b = calls.tensor({4}, DType::Float32);
  calls.add("mul_.Tensor", {a, b}, {a});
  EXPECT_EQ(text(calls.graph().nodes[0]), "f16(mul(f32(load0), load1))");
  ASSERT_EQ(calls.graph().outputs.size(), 1U);
  EXPECT_TRUE(calls.graph().outputs[0].input.has_value());
}

TEST(PointwiseRows, AddOfBoolsIsOr) {
  CallRunner calls;
  const Tensor a = calls.scalar(1, DType::Bool);
  const Tensor sum = calls.fresh_scalar(DType::Bool);
  calls.add("add.Tensor", {a, a, one()}, {sum});
  EXPECT_EQ(calls.value(sum), 1);
}

TEST(PointwiseRows, SubtractionOfBoolsIsDeclined) {
  CallRunner calls;
  const Tensor a = calls.scalar(1, DType::Bool);
  calls.add("sub.Tensor", {a, a, one()}, {calls.fresh_scalar(DType::Bool)});
  EXPECT_EQ(calls.declined().size(), 1U);
  EXPECT_NE(calls.graph().nodes[0].as<Opaque>(), nullptr);
}

TEST(PointwiseRows, Values) {
  EXPECT_EQ(result("rsub.Scalar", {3}, {real(10), integer(2)}), 4);
  EXPECT_EQ(result("div.Tensor_mode", {-7, 2}, {std::string("trunc")}), -3);
  EXPECT_EQ(result("div.Tensor_mode", {-7, 2}, {std::string("floor")}), -4);
  EXPECT_EQ(result("div.Tensor_mode", {-7, 2}, {None{}}), -3.5);
  EXPECT_EQ(result("clamp", {5}, {integer(0), integer(3)}), 3);
  EXPECT_EQ(result("clamp", {5}, {integer(7), None{}}), 7);
  EXPECT_TRUE(std::isnan(result("clamp", {kNan}, {integer(0), integer(1)})));
  EXPECT_EQ(result("addcmul", {1, 2, 3}, {real(10)}), 61);
  EXPECT_EQ(result("addcdiv", {1, 2, 4}, {real(10)}), 6);
  EXPECT_EQ(result("lerp.Scalar", {1, 5}, {real(0.25)}), 2);
  EXPECT_EQ(result("lerp.Scalar", {1, 5}, {real(1)}), 5);
  EXPECT_EQ(result("pow.Tensor_Scalar", {-3}, {integer(2)}), 9);
  EXPECT_EQ(result("pow.Tensor_Scalar", {4}, {real(-0.5)}), 0.5);
  EXPECT_EQ(result("pow.Tensor_Scalar", {2}, {real(1.5)}), std::pow(2, 1.5));
  EXPECT_EQ(result("xlogy.Tensor", {0, 0}, {}), 0);
  EXPECT_TRUE(std::isnan(result("xlogy.Tensor", {0, kNan}, {})));
  EXPECT_EQ(result("logaddexp", {kInfinity, kInfinity}, {}), kInfinity);
  EXPECT_NEAR(result("logaddexp", {1, 2}, {}), std::log(std::exp(1) + std::exp(2)), 1e-12);
  EXPECT_NEAR(result("logaddexp2", {1, 2}, {}), std::log2(6), 1e-12);
  EXPECT_EQ(result("heaviside", {0, 0.5}, {}), 0.5);
  EXPECT_EQ(result("heaviside", {kNan, 0.5}, {}), 0);
}

TEST(PointwiseRows, SmallPowersAreProductsOnlyWhileTheExponentHolds) {
  CallRunner calls;
  const Tensor a = calls.tensor({4});
  calls.add("pow.Tensor_Scalar", {a, integer(2)}, {calls.fresh({4})});
  calls.add("pow.Tensor_Scalar", {a, calls.varying(2)}, {calls.fresh({4})});
  EXPECT_EQ(text(calls.graph().nodes[0]), "mul(load0, load0)");
  EXPECT_EQ(text(calls.graph().nodes[1]), "pow(load0, number0)");
}

TEST(UnaryRows, IntegersBecomeTheDefaultDtype) {
  CallRunner calls;
  const Tensor a = calls.tensor({4}, DType::Int32);
  calls.add("sqrt", {a}, {calls.fresh({4})});
  EXPECT_EQ(text(calls.graph().nodes[0]), "sqrt(f32(load0))");
}

TEST(UnaryRows, RoundingOfIntegersIsACopy) {
  CallRunner calls;
  const Tensor a = calls.tensor({4}, DType::Int32);
  calls.add("floor", {a}, {calls.fresh({4}, DType::Int32)});
  EXPECT_EQ(text(calls.graph().nodes[0]), "load0");
}

TEST(UnaryRows, Values) {
  EXPECT_EQ(result("round.decimals", {2.345}, {Extent(1)}), 2.3);
  EXPECT_EQ(result("round.decimals", {2345}, {Extent(-2)}), 2300);
  EXPECT_EQ(result("isneginf", {-kInfinity}, {}, DType::Bool), 1);
  EXPECT_EQ(result("isposinf", {-kInfinity}, {}, DType::Bool), 0);
  EXPECT_EQ(result("signbit", {-0.0}, {}, DType::Bool), 1);
  EXPECT_EQ(result("special_entr", {0}, {}), 0);
  EXPECT_EQ(result("special_entr", {-1}, {}), -kInfinity);
  EXPECT_NEAR(result("logit", {0.9}, {real(0.25)}), std::log(3), 1e-12);
  EXPECT_NEAR(result("logit", {0.9}, {None{}}), std::log(9), 1e-12);
  EXPECT_EQ(result("nan_to_num", {kNan}, {real(7), None{}, None{}}), 7);
  EXPECT_EQ(result("nan_to_num", {-kInfinity}, {None{}, None{}, None{}}),
            std::numeric_limits<double>::lowest());
  EXPECT_NEAR(result("angle", {-2}, {}), M_PI, 1e-12);
}

TEST(CompareRows, ANumberIsRoundedToTheTensorsTypeFirst) {
  CallRunner calls;
  const Tensor a = calls.tensor({4}, DType::BFloat16);
  calls.add("lt.Scalar", {a, real(0.1)}, {calls.fresh({4}, DType::Bool)});
  EXPECT_EQ(text(calls.graph().nodes[0]), "lt(f32(load0), f32(bf16(0.1)))");
}

TEST(CompareRows, IntegerNumbersWrapInNarrowTypes) {
  CallRunner calls;
  const Tensor a = calls.tensor({4}, DType::Int8);
  calls.add("bitwise_and.Scalar", {a, integer(255)}, {calls.fresh({4}, DType::Int8)});
  EXPECT_EQ(text(calls.graph().nodes[0]), "and(load0, -1)");
}

TEST(CompareRows, IsinComparesWithEachOfAFew) {
  const auto found = [](double element, const Extents& sizes, bool invert) {
    CallRunner calls;
    const Tensor target = calls.fresh_scalar(DType::Bool);
    calls.add(
        "isin.Tensor_Tensor",
        {calls.scalar(element),
         sizes.empty() ? calls.scalar(2) : calls.tensor(sizes, DType::Float64), false, invert},
        {target});
    EXPECT_TRUE(calls.declined().empty());
    return std::pair(text(calls.graph().nodes[0]), calls.graph().nodes[0].operands.size());
  };
  EXPECT_EQ(found(2, {}, false).first, "eq(load0, load1)");
  EXPECT_EQ(found(2, {}, true).first, "not(eq(load0, load1))");
  EXPECT_EQ(found(2, {3}, false).first,
            "or(or(eq(load0, load1), eq(load0, load2)), eq(load0, load3))");
  EXPECT_EQ(found(2, {16}, false).second, 17U);

  CallRunner calls;
  calls.add("isin.Tensor_Tensor", {calls.tensor({8}), calls.tensor({17}), false, false},
            {calls.fresh({8}, DType::Bool)});
  calls.add("isin.Tensor_Tensor", {calls.tensor({8}), calls.tensor({2, 2}), false, false},
            {calls.fresh({8}, DType::Bool)});
  calls.add("isin.Tensor_Tensor",
            {calls.tensor({8}), calls.tensor({2}, DType::Int64), false, false},
            {calls.fresh({8}, DType::Bool)});
  static_cast<void>(calls.graph());
  EXPECT_EQ(calls.declined().size(), 3U);
}

TEST(CompareRows, Values) {
  EXPECT_EQ(result("logical_xor", {2, 3}, {}, DType::Bool), 0);
  EXPECT_EQ(result("logical_and", {2, 3}, {}, DType::Bool), 1);
  EXPECT_EQ(result("logical_not", {0.5}, {}, DType::Bool), 0);
  EXPECT_EQ(result("masked_fill.Scalar", {5, 1}, {real(7)}), 7);
  EXPECT_EQ(result("masked_fill.Scalar", {5, 0}, {real(7)}), 5);
  EXPECT_EQ(result("where.self", {0, 5, 6}, {}), 6);
}

}  // namespace
}  // namespace trireme::graph
