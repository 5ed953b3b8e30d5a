// SPDX-License-Identifier: Apache-2.0
// Values depend on seed, offset and logical index alone: not on threads, strides, split or dtype's
// neighbours.
#include <ATen/Parallel.h>

#include <functional>

#include "random_support.h"
#include "trireme/run/random/distributions.h"

namespace trireme::run {
namespace {

using testing::same_bits;

struct Filler {
  const char* name;
  std::vector<at::ScalarType> dtypes;
  std::function<void(at::Tensor&, const Draw&)> fill;
};

const std::vector<at::ScalarType> kFloats = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};
const std::vector<at::ScalarType> kAll = {at::kFloat,    at::kDouble, at::kHalf,
                                          at::kBFloat16, at::kByte,   at::kChar,
                                          at::kShort,    at::kInt,    at::kLong};

at::Tensor probabilities(const at::Tensor& like, const Draw& draw) {
  // A function of the logical index, so that a piece of the tensor has the same ones.
  const auto first = static_cast<int64_t>(draw.first_index);
  return at::arange(first, first + like.numel(), at::kDouble).mul_(0.37).frac_().view(like.sizes());
}

std::vector<Filler> fillers() {
  auto with_bool = kAll;
  with_bool.push_back(at::kBool);
  return {
      {"uniform", kFloats, [](at::Tensor& t, const Draw& d) { random::uniform_(t, -1.5, 2.5, d); }},
      {"normal", kFloats, [](at::Tensor& t, const Draw& d) { random::normal_(t, 0.5, 2, d); }},
      {"log_normal", kFloats,
       [](at::Tensor& t, const Draw& d) { random::log_normal_(t, 0.5, 1, d); }},
      {"exponential", kFloats,
       [](at::Tensor& t, const Draw& d) { random::exponential_(t, 1.5, d); }},
      {"cauchy", kFloats, [](at::Tensor& t, const Draw& d) { random::cauchy_(t, 1, 2, d); }},
      {"geometric", kAll, [](at::Tensor& t, const Draw& d) { random::geometric_(t, 0.3, d); }},
      {"bernoulli", with_bool, [](at::Tensor& t, const Draw& d) { random::bernoulli_(t, 0.3, d); }},
      {"bernoulli tensor double", with_bool,
       [](at::Tensor& t, const Draw& d) { random::bernoulli_(t, probabilities(t, d), d); }},
      {"bernoulli tensor float", with_bool,
       [](at::Tensor& t, const Draw& d) {
         random::bernoulli_(t, probabilities(t, d).to(at::kFloat), d);
       }},
      {"random", with_bool, [](at::Tensor& t, const Draw& d) { random::random_(t, d); }},
      {"random from to", kAll, [](at::Tensor& t, const Draw& d) { random::random_(t, 3, 97, d); }},
      {"random wide",
       {at::kLong, at::kDouble},
       [](at::Tensor& t, const Draw& d) {
         random::random_(t, -(int64_t{1} << 40), int64_t{1} << 50, d);
       }},
  };
}

class RandomInvariance : public ::testing::Test {
 protected:
  void SetUp() override { threads_ = at::get_num_threads(); }
  void TearDown() override { at::set_num_threads(threads_); }

  static void for_each(const std::function<void(const Filler&, at::ScalarType)>& body) {
    for (const Filler& filler : fillers()) {
      for (const at::ScalarType dtype : filler.dtypes) {
        SCOPED_TRACE(std::string(filler.name) + " " + c10::toString(dtype));
        body(filler, dtype);
      }
    }
  }

  static at::Tensor contiguous(const Filler& filler, at::ScalarType dtype, at::IntArrayRef sizes,
                               const Draw& draw = kDraw) {
    at::Tensor tensor = at::empty(sizes, dtype);
    filler.fill(tensor, draw);
    return tensor;
  }

  static constexpr Draw kDraw{.state = {.seed = 7, .offset = 12}};

 private:
  int threads_ = 1;
};

TEST_F(RandomInvariance, ThreadCount) {
  for_each([](const Filler& filler, at::ScalarType dtype) {
    at::set_num_threads(1);
    const at::Tensor one = contiguous(filler, dtype, {100'001});
    for (const int threads : {2, 3, 5}) {
      at::set_num_threads(threads);
      EXPECT_TRUE(same_bits(one, contiguous(filler, dtype, {100'001}))) << threads << " threads";
    }
  });
}

TEST_F(RandomInvariance, Strides) {
  for_each([](const Filler& filler, at::ScalarType dtype) {
    const at::Tensor expected = contiguous(filler, dtype, {6, 35, 11});
    const auto check = [&](at::Tensor view, const char* what) {
      filler.fill(view, kDraw);
      EXPECT_TRUE(same_bits(expected, view)) << what;
    };
    check(at::empty({11, 35, 6}, dtype).permute({2, 1, 0}), "transposed");
    check(at::empty({6, 11, 35}, dtype).transpose(1, 2), "inner dimensions swapped");
    check(at::empty({12, 70, 22}, dtype).slice(0, 0, 12, 2).slice(1, 1, 70, 2).slice(2, 0, 22, 2),
          "sliced with steps");
    check(at::empty({8, 35, 11}, dtype).narrow(0, 1, 6), "narrowed");
    check(at::empty({6, 40, 11}, dtype).narrow(1, 3, 35), "narrowed inside");
    check(at::empty({6, 35, 1, 11}, dtype).transpose(1, 2).squeeze(1), "odd strides of size one");
  });
}

TEST_F(RandomInvariance, SizesOnly) {
  for_each([](const Filler& filler, at::ScalarType dtype) {
    const at::Tensor long_one = contiguous(filler, dtype, {5000});
    for (const int64_t size : {1, 2, 3, 4, 5, 31, 127, 128, 129, 1000, 1024, 1025}) {
      EXPECT_TRUE(same_bits(long_one.narrow(0, 0, size), contiguous(filler, dtype, {size})))
          << size;
    }
  });
}

TEST_F(RandomInvariance, Split) {
  for_each([](const Filler& filler, at::ScalarType dtype) {
    const at::Tensor whole = contiguous(filler, dtype, {9000});
    for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{
             {0, 1}, {1, 2}, {3, 4000}, {2, 4}, {4096, 9000}, {4095, 9000}, {8999, 9000}}) {
      const Draw draw{.state = kDraw.state, .first_index = static_cast<uint64_t>(begin)};
      EXPECT_TRUE(same_bits(whole.narrow(0, begin, end - begin),
                            contiguous(filler, dtype, {end - begin}, draw)))
          << begin << ".." << end;
    }
  });
}

TEST_F(RandomInvariance, StateMatters) {
  for_each([](const Filler& filler, at::ScalarType dtype) {
    const at::Tensor base = contiguous(filler, dtype, {1000});
    const uint64_t high = uint64_t{1} << 32;
    for (const PhiloxState state : {PhiloxState{7, 16}, PhiloxState{8, 12},
                                    PhiloxState{7 + high, 12}, PhiloxState{7, 12 + high}}) {
      EXPECT_FALSE(same_bits(base, contiguous(filler, dtype, {1000}, {.state = state})));
    }
    EXPECT_TRUE(same_bits(base, contiguous(filler, dtype, {1000})));
  });
}

TEST_F(RandomInvariance, NarrowTypesAreTheFloatValuesRounded) {
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    at::Tensor wide = at::empty({10'000}, at::kFloat);
    at::Tensor narrow = at::empty({10'000}, dtype);
    random::normal_(wide, 0, 1e-3, kDraw);
    random::normal_(narrow, 0, 1e-3, kDraw);
    EXPECT_TRUE(same_bits(wide.to(dtype), narrow));
    random::normal_(wide, 0, 1e38, kDraw);  // overflows half
    random::normal_(narrow, 0, 1e38, kDraw);
    EXPECT_TRUE(same_bits(wide.to(dtype), narrow));
    random::normal_(wide, 0, 1e-7, kDraw);  // subnormal in half
    random::normal_(narrow, 0, 1e-7, kDraw);
    EXPECT_TRUE(same_bits(wide.to(dtype), narrow));
  }
}

TEST_F(RandomInvariance, Dropout) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kComplexFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    at::Tensor input = at::arange(100'001, at::kFloat).sin_().to(dtype);
    input[5] = std::numeric_limits<double>::quiet_NaN();
    at::set_num_threads(1);
    const auto [output, mask] = random::native_dropout(input, 0.3, true, kDraw);
    at::set_num_threads(2);
    const auto [again, mask_again] = random::native_dropout(input, 0.3, std::nullopt, kDraw);
    EXPECT_TRUE(same_bits(mask, mask_again));
    EXPECT_TRUE(same_bits(output, again));
    // Bit for bit what ATen does with the same mask.
    const at::Tensor reference = input.mul(mask).mul_(1 / (1 - 0.3));
    EXPECT_TRUE(at::allclose(output, reference, 0, 0, /*equal_nan=*/true));
    EXPECT_TRUE(same_bits(output.narrow(0, 6, 1000), reference.narrow(0, 6, 1000)));
    EXPECT_NEAR(mask.to(at::kDouble).mean().item<double>(), 0.7, 0.01);

    const at::Tensor columns = input.narrow(0, 0, 100'000).view({100, 1000}).t().contiguous().t();
    const auto [strided, strided_mask] = random::native_dropout(columns, 0.3, true, kDraw);
    EXPECT_TRUE(same_bits(strided_mask.reshape({-1}), mask.narrow(0, 0, 100'000)));
    EXPECT_EQ(strided.strides(), columns.strides());
    EXPECT_EQ(strided_mask.strides(), columns.strides());
    EXPECT_TRUE(at::allclose(strided.reshape({-1}), output.narrow(0, 0, 100'000), 0, 0, true));

    const Draw shifted{.state = kDraw.state, .first_index = 1001};
    const auto [piece, piece_mask] =
        random::native_dropout(input.narrow(0, 1001, 5000), 0.3, true, shifted);
    EXPECT_TRUE(same_bits(piece, output.narrow(0, 1001, 5000)));
    EXPECT_TRUE(same_bits(piece_mask, mask.narrow(0, 1001, 5000)));
  }
}

}  // namespace
}  // namespace trireme::run
