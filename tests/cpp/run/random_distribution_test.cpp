// SPDX-License-Identifier: Apache-2.0
// That the values have the distributions, ranges and bounds they should, for fixed seeds.
#include <array>
#include <functional>
#include <limits>

#include "random_support.h"
#include "trireme/run/random/distributions.h"
#include "trireme/run/random/multinomial.h"

namespace trireme::run {
namespace {

using testing::kolmogorov_smirnov;

constexpr Draw kDraw{.state = {.seed = 20261122, .offset = 4}};
constexpr double kKsLimit = 1.95;  // one true sample in 1000 exceeds it

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

at::Tensor drawn(int64_t n, at::ScalarType dtype,
                 const std::function<void(at::Tensor&, const Draw&)>& fill) {
  at::Tensor tensor = at::empty({n}, dtype);
  fill(tensor, kDraw);
  return tensor;
}

double mean_of(const at::Tensor& t) { return t.to(at::kDouble).mean().item<double>(); }
double deviation_of(const at::Tensor& t) { return t.to(at::kDouble).std().item<double>(); }

TEST(RandomDistribution, Uniform) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const auto t = drawn(1'000'000, dtype,
                         [](at::Tensor& x, const Draw& d) { random::uniform_(x, -2, 6, d); });
    EXPECT_LT(kolmogorov_smirnov(t, [](double x) { return (x + 2) / 8; }), kKsLimit);
    EXPECT_GE(t.min().item<double>(), -2);
    EXPECT_LT(t.max().item<double>(), 6);
    // Neighbours are uncorrelated.
    const auto centred = (t - 2).to(at::kDouble);
    for (const int64_t lag : {1, 2, 3, 4, 128}) {
      const double correlation =
          (centred.narrow(0, 0, 900'000) * centred.narrow(0, lag, 900'000)).mean().item<double>() /
          (64.0 / 12);
      EXPECT_LT(std::abs(correlation), 0.004) << lag;
    }
  }
}

TEST(RandomDistribution, UniformNeverReachesTheUpperBound) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    for (const auto& [from, to] : std::vector<std::pair<double, double>>{
             {0, 1}, {-1, 0}, {100, 101}, {-3, 3}, {1e-3, 2e-3}, {-256, -255}, {0, 6e-8}}) {
      const auto t = drawn(200'000, dtype, [from = from, to = to](at::Tensor& x, const Draw& d) {
        random::uniform_(x, from, to, d);
      });
      const double low = at::scalar_tensor(from, dtype).item<double>();
      const double high = at::scalar_tensor(to, dtype).item<double>();
      EXPECT_GE(t.min().item<double>(), low) << c10::toString(dtype) << from;
      if (low < high) {
        EXPECT_LT(t.max().item<double>(), high) << c10::toString(dtype) << to;
      }
    }
    const auto same =
        drawn(100, dtype, [](at::Tensor& x, const Draw& d) { random::uniform_(x, 3, 3, d); });
    EXPECT_TRUE(same.eq(3).all().item<bool>());
  }
}

TEST(RandomDistribution, Normal) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const auto t =
        drawn(2'000'000, dtype, [](at::Tensor& x, const Draw& d) { random::normal_(x, 1, 3, d); });
    EXPECT_LT(kolmogorov_smirnov(t, [](double x) { return normal_cdf((x - 1) / 3); }), kKsLimit);
    EXPECT_NEAR(mean_of(t), 1, 0.01);
    EXPECT_NEAR(deviation_of(t), 3, 0.01);
    const auto z = (t.to(at::kDouble) - 1) / 3;
    EXPECT_NEAR(z.pow(3).mean().item<double>(), 0, 0.01);
    EXPECT_NEAR(z.pow(4).mean().item<double>(), 3, 0.03);
    EXPECT_GT(z.abs().max().item<double>(), 4.5);
    const auto pairs = z.view({-1, 2});
    EXPECT_LT(std::abs((pairs.select(1, 0) * pairs.select(1, 1)).mean().item<double>()), 0.004);
  }
}

TEST(RandomDistribution, NormalOfHalvesAndComplex) {
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    const auto t =
        drawn(500'000, dtype, [](at::Tensor& x, const Draw& d) { random::normal_(x, 0, 1, d); });
    EXPECT_NEAR(mean_of(t), 0, 0.01);
    EXPECT_NEAR(deviation_of(t), 1, 0.01);
  }
  for (const auto dtype : {at::kComplexFloat, at::kComplexDouble}) {
    const auto t =
        drawn(500'000, dtype, [](at::Tensor& x, const Draw& d) { random::normal_(x, 0, 2, d); });
    const auto parts = at::view_as_real(t);
    EXPECT_NEAR(deviation_of(parts.select(1, 0)), std::sqrt(2.0), 0.01);
    EXPECT_NEAR(deviation_of(parts.select(1, 1)), std::sqrt(2.0), 0.01);
    EXPECT_LT(std::abs(mean_of(parts.select(1, 0) * parts.select(1, 1))), 0.02);
  }
}

TEST(RandomDistribution, NormalExtremesAreFinite) {
  // The radius' largest and smallest words.
  for (const float unit : {0x1p-33F, 1.0F - 0x1p-24F}) {
    const double radius = std::sqrt(-2 * std::log(static_cast<double>(unit)));
    EXPECT_TRUE(std::isfinite(radius));
    EXPECT_LT(radius, 6.8);
  }
  const auto t = drawn(10'000'000, at::kFloat,
                       [](at::Tensor& x, const Draw& d) { random::normal_(x, 0, 1, d); });
  EXPECT_TRUE(t.isfinite().all().item<bool>());
}

TEST(RandomDistribution, Exponential) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const auto t = drawn(1'000'000, dtype,
                         [](at::Tensor& x, const Draw& d) { random::exponential_(x, 0.5, d); });
    EXPECT_LT(kolmogorov_smirnov(t, [](double x) { return -std::expm1(-x / 2); }), kKsLimit);
    EXPECT_GT(t.min().item<double>(), 0);
    EXPECT_TRUE(t.isfinite().all().item<bool>());
    const auto zero = drawn(100, dtype, [](at::Tensor& x, const Draw& d) {
      random::exponential_(x, std::numeric_limits<double>::infinity(), d);
    });
    EXPECT_TRUE(zero.eq(0).all().item<bool>());
  }
}

TEST(RandomDistribution, LogNormalAndCauchy) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const auto log_normal = drawn(
        500'000, dtype, [](at::Tensor& x, const Draw& d) { random::log_normal_(x, 0.5, 0.7, d); });
    EXPECT_LT(kolmogorov_smirnov(log_normal,
                                 [](double x) { return normal_cdf((std::log(x) - 0.5) / 0.7); }),
              kKsLimit);
    const auto cauchy =
        drawn(500'000, dtype, [](at::Tensor& x, const Draw& d) { random::cauchy_(x, 2, 3, d); });
    EXPECT_LT(
        kolmogorov_smirnov(cauchy, [](double x) { return 0.5 + std::atan((x - 2) / 3) / M_PI; }),
        kKsLimit);
  }
}

TEST(RandomDistribution, Geometric) {
  for (const double p : {0.01, 0.3, 0.9}) {
    const auto t = drawn(500'000, at::kLong,
                         [p](at::Tensor& x, const Draw& d) { random::geometric_(x, p, d); });
    EXPECT_GE(t.min().item<int64_t>(), 1);
    EXPECT_NEAR(mean_of(t) * p, 1, 0.01);
    EXPECT_NEAR(deviation_of(t) / std::sqrt((1 - p) / (p * p)), 1, 0.02);
    EXPECT_NEAR(mean_of(t.eq(1)), p, 0.004);
  }
}

TEST(RandomDistribution, BernoulliScalar) {
  for (const auto dtype :
       {at::kFloat, at::kDouble, at::kBool, at::kByte, at::kLong, at::kBFloat16}) {
    for (const double p : {0.0, 1e-4, 0.25, 0.5, 0.999, 1.0}) {
      const auto t = drawn(1'000'000, dtype,
                           [p](at::Tensor& x, const Draw& d) { random::bernoulli_(x, p, d); });
      EXPECT_NEAR(mean_of(t), p, 4.5 * std::sqrt(p * (1 - p) / 1e6)) << c10::toString(dtype);
      EXPECT_TRUE((t.eq(0) | t.eq(1)).all().item<bool>());
    }
  }
}

TEST(RandomDistribution, BernoulliTensor) {
  const at::Tensor p = at::tensor({0.0, 0.1, 0.5, 0.9, 1.0});
  for (const auto p_dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    for (const auto dtype : {at::kFloat, at::kDouble, at::kBool, at::kInt}) {
      at::Tensor t = at::empty({200'000, 5}, dtype);
      const at::Tensor typed = p.to(p_dtype);
      random::bernoulli_(t, typed, kDraw);
      const at::Tensor rates = t.to(at::kDouble).mean(0);
      EXPECT_TRUE(at::allclose(rates, typed.to(at::kDouble), 0, 0.005)) << rates;
      EXPECT_EQ(rates[0].item<double>(), 0);
      EXPECT_EQ(rates[4].item<double>(), 1);
    }
  }
  at::Tensor self = at::full({100'000}, 0.25, at::kFloat);
  random::bernoulli_(self, self, kDraw);  // reads before it writes
  EXPECT_NEAR(mean_of(self), 0.25, 0.01);
}

TEST(RandomDistribution, RandomCoversTheDtypesRange) {
  const std::vector<std::pair<at::ScalarType, double>> largest = {
      {at::kByte, 255},      {at::kChar, 127},  {at::kShort, 32767},  {at::kInt, 2147483647.0},
      {at::kLong, 0x1p63},   {at::kHalf, 2048}, {at::kBFloat16, 256}, {at::kFloat, 16777216},
      {at::kDouble, 0x1p53}, {at::kBool, 1}};
  for (const auto& [dtype, top] : largest) {
    SCOPED_TRACE(c10::toString(dtype));
    const auto t = drawn(1'000'000, dtype, [](at::Tensor& x, const Draw& d) {
                     random::random_(x, d);
                   }).to(at::kDouble);
    EXPECT_GE(t.min().item<double>(), 0);
    EXPECT_LE(t.max().item<double>(), top);
    if (top > 3000) {
      EXPECT_LT(t.min().item<double>(), top * 1e-4);
      EXPECT_GT(t.max().item<double>(), top * (1 - 1e-4));
      EXPECT_LT(kolmogorov_smirnov(t, [top = top](double x) { return x / top; }),
                top > 40000 ? kKsLimit : 2.5);
    } else {
      EXPECT_EQ(t.min().item<double>(), 0);
      EXPECT_EQ(t.max().item<double>(), top);
    }
  }
}

TEST(RandomDistribution, RandomFromTo) {
  for (const auto dtype :
       {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kBFloat16, at::kFloat,
        at::kDouble, at::kUInt16, at::kUInt32, at::kUInt64}) {
    SCOPED_TRACE(c10::toString(dtype));
    const auto t =
        drawn(600'000, dtype, [](at::Tensor& x, const Draw& d) { random::random_(x, 3, 9, d); });
    const auto counts = at::bincount(t.to(at::kLong), {}, 9).to(at::kDouble);
    EXPECT_EQ(counts.numel(), 9);
    EXPECT_EQ(counts.narrow(0, 0, 3).sum().item<double>(), 0);
    const auto bins = counts.narrow(0, 3, 6);
    const double chi2 = ((bins - 1e5).pow(2) / 1e5).sum().item<double>();
    EXPECT_LT(chi2, 20.5);  // 5 degrees of freedom, 0.1%
  }
  const auto wide = drawn(200'000, at::kLong, [](at::Tensor& x, const Draw& d) {
    random::random_(x, std::numeric_limits<int64_t>::min() + 1, std::numeric_limits<int64_t>::max(),
                    d);
  });
  EXPECT_LT(kolmogorov_smirnov(wide, [](double x) { return (x + 0x1p63) * 0x1p-64; }), kKsLimit);
  const auto full = drawn(200'000, at::kLong, [](at::Tensor& x, const Draw& d) {
    random::random_(x, std::numeric_limits<int64_t>::min(), std::nullopt, d);
  });
  EXPECT_LT(kolmogorov_smirnov(full, [](double x) { return (x + 0x1p63) * 0x1p-64; }), kKsLimit);
  const auto from = drawn(200'000, at::kInt, [](at::Tensor& x, const Draw& d) {
    random::random_(x, 2'000'000'000, std::nullopt, d);
  });
  EXPECT_GE(from.min().item<int64_t>(), 2'000'000'000);
  EXPECT_GT(from.max().item<int64_t>(), 2'147'400'000);
}

TEST(RandomDistribution, Randperm) {
  std::array<int, 24> counts{};
  for (uint64_t call = 0; call < 24'000; ++call) {
    at::Tensor p = at::empty({4}, at::kLong);
    random::randperm(p, {.state = {.seed = 3, .offset = 4 * call}});
    const auto* v = p.const_data_ptr<int64_t>();
    ASSERT_EQ(v[0] + v[1] + v[2] + v[3], 6);
    int64_t rank = 6 * v[0];
    rank += 2 * (v[1] - (v[1] > v[0] ? 1 : 0));
    rank += v[2] > v[3] ? 1 : 0;
    ++counts.at(static_cast<size_t>(rank));
  }
  double chi2 = 0;
  for (const int count : counts) chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi2, 49.7);  // 23 degrees of freedom, 0.1%
  for (const int64_t n : {0, 1, 2, 1000, 100'000}) {
    at::Tensor p = at::empty({n}, at::kLong);
    random::randperm(p, kDraw);
    EXPECT_TRUE(at::equal(std::get<0>(p.sort()), at::arange(n)));
    at::Tensor strided = at::empty({2 * n}, at::kLong).slice(0, 0, 2 * n, 2);
    random::randperm(strided, kDraw);
    EXPECT_TRUE(at::equal(p, strided));
  }
}

TEST(RandomDistribution, MultinomialRace) {
  const at::Tensor weights = at::tensor({1.0, 0.0, 3.0, 6.0}, at::kFloat);
  at::Tensor one = at::empty({0}, at::kLong);
  random::multinomial_race(one, weights.expand({100'000, 4}), 1, false, kDraw);
  const auto rates = at::bincount(one.flatten(), {}, 4).to(at::kDouble) / 100'000;
  EXPECT_TRUE(at::allclose(rates, at::tensor({0.1, 0.0, 0.3, 0.6}, at::kDouble), 0, 0.006))
      << rates;
  at::Tensor three = at::empty({0}, at::kLong);
  random::multinomial_race(three, weights.expand({1000, 4}), 3, false, kDraw);
  EXPECT_EQ(three.sizes(), (at::IntArrayRef{1000, 3}));
  const auto sorted = std::get<0>(three.sort(1));
  EXPECT_TRUE(sorted.eq(at::tensor({0, 2, 3}, at::kLong)).all().item<bool>());
}

TEST(RandomDistribution, RreluNoise) {
  const at::Tensor input = at::linspace(-1, 1, 100'000, at::kFloat);
  at::Tensor noise = at::empty({2, 100'000}, at::kFloat).t().select(1, 0);
  at::Tensor out = at::empty({0}, at::kFloat);
  random::rrelu_with_noise_train(out, input, noise, 0.1, 0.3, kDraw);
  const at::Tensor negative = noise.masked_select(input.le(0));
  EXPECT_LT(kolmogorov_smirnov(negative, [](double x) { return (x - 0.1) / 0.2; }), kKsLimit);
  EXPECT_TRUE(noise.masked_select(input.gt(0)).eq(1).all().item<bool>());
  EXPECT_TRUE(at::equal(out, input * noise));
}

}  // namespace
}  // namespace trireme::run
