// SPDX-License-Identifier: Apache-2.0
// The executor's entry: which operators are covered, and that outputs and errors are ATen's.
#include <torch/library.h>

#include <functional>
#include <limits>
#include <set>
#include <sstream>

#include "random_support.h"
#include "trireme/run/random/cpu_generator.h"

namespace trireme::run {
namespace {

using c10::IValue;
using testing::error_of;
using testing::find_op;
using testing::ours;
using testing::run_aten;
using testing::run_ours;
using testing::same_bits;
using torch::jit::Stack;

const IValue kNone;

TEST(RandomOperators, EveryRandomOperatorWithACpuKernelIsCovered) {
  // Tagged as random, but the CPU kernels draw nothing: a choice of backend, and an attention that
  // refuses dropout.
  const std::set<std::string> kDrawNothing = {"aten::_fused_sdp_choice",
                                              "aten::_scaled_dot_product_flash_attention_for_cpu"};
  std::set<std::string> expected;
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
    if (name.name.rfind("aten::", 0) != 0) continue;
    const auto op = c10::Dispatcher::singleton().findOp(name);
    if (!op || !op->hasSchema() || !op->hasKernelForDispatchKey(c10::DispatchKey::CPU)) continue;
    bool random = op->hasTag(at::Tag::nondeterministic_seeded);
    for (const auto& argument : op->schema().arguments()) {
      random |= argument.type()->str().find("Generator") != std::string::npos;
    }
    if (random && kDrawNothing.count(c10::toString(name)) == 0)
      expected.insert(c10::toString(name));
  }
  std::set<std::string> covered;
  for (const auto& name : random_kernel_names()) covered.insert(c10::toString(name));
  EXPECT_EQ(expected, covered);
  EXPECT_EQ(find_random_kernel({"aten::add", "Tensor"}), nullptr);
}

struct Sample {
  std::string name;
  std::string overload;
  Stack arguments;
};

at::Tensor layout(int which, at::ScalarType dtype) {
  const at::Tensor base = at::rand({6, 8}, at::kDouble);
  switch (which) {
    case 0:
      return base.narrow(1, 0, 4).contiguous().to(dtype);
    case 1:
      return base.narrow(1, 0, 4).contiguous().to(dtype).t().contiguous().t();
    case 2:
      return base.to(dtype).slice(1, 0, 8, 2);
    default:
      return base.to(dtype).slice(0, 0, 6, 2).slice(1, 0, 8, 3).t();
  }
}

// One call of each operator on the given dtype and layout, with fresh tensors.
std::vector<Sample> samples(int which, at::ScalarType dtype) {
  const auto t = [=] { return layout(which, dtype); };
  const auto empty = [=] { return at::empty({0}, dtype); };
  return {
      {"aten::uniform_", "", {t(), 0.0, 1.0, kNone}},
      {"aten::normal_", "", {t(), 0.0, 1.0, kNone}},
      {"aten::log_normal_", "", {t(), 0.0, 1.0, kNone}},
      {"aten::cauchy_", "", {t(), 0.0, 1.0, kNone}},
      {"aten::exponential_", "", {t(), 1.0, kNone}},
      {"aten::geometric_", "", {t(), 0.5, kNone}},
      {"aten::bernoulli_", "float", {t(), 0.5, kNone}},
      {"aten::bernoulli_", "Tensor", {t(), t(), kNone}},
      {"aten::bernoulli", "out", {t(), kNone, empty()}},
      {"aten::random_", "", {t(), kNone}},
      {"aten::random_", "to", {t(), 5, kNone}},
      {"aten::random_", "from", {t(), 2, 5, kNone}},
      {"aten::random_", "from", {t(), 2, kNone, kNone}},
      {"aten::normal", "Tensor_float", {t(), 1.0, kNone}},
      {"aten::normal", "float_Tensor", {0.0, t(), kNone}},
      {"aten::normal", "Tensor_Tensor", {t(), t(), kNone}},
      {"aten::normal", "Tensor_float_out", {t(), 1.0, kNone, t().contiguous()}},
      {"aten::normal", "float_Tensor_out", {0.0, t(), kNone, t().contiguous()}},
      {"aten::normal", "Tensor_Tensor_out", {t(), t(), kNone, t().contiguous()}},
      {"aten::native_dropout", "", {t(), 0.3, true}},
      {"aten::native_dropout", "", {t(), 0.3, false}},
      {"aten::native_dropout", "", {t(), 0.3, kNone}},
      {"aten::native_dropout", "", {t(), 0.0, true}},
      {"aten::native_dropout", "", {t(), 1.0, true}},
      {"aten::randperm", "generator_out", {9, kNone, empty()}},
      {"aten::multinomial", "", {t(), 2, false, kNone}},
      {"aten::multinomial", "", {t(), 7, true, kNone}},
      {"aten::multinomial", "", {t().select(0, 0), 1, true, kNone}},
      {"aten::multinomial", "out", {t(), 2, false, kNone, at::empty({0}, at::kLong)}},
      {"aten::multinomial", "out", {t(), 7, true, kNone, at::empty({0}, at::kLong)}},
      {"aten::rrelu_with_noise", "", {t(), t().contiguous(), 0.1, 0.3, true, kNone}},
      {"aten::rrelu_with_noise", "", {t(), t().contiguous(), 0.1, 0.3, false, kNone}},
      {"aten::rrelu_with_noise",
       "out",
       {t(), t().contiguous(), 0.1, 0.3, true, kNone, t().contiguous()}},
      {"aten::rrelu_with_noise_", "", {t(), t().contiguous(), 0.1, 0.3, true, kNone}},
      {"aten::poisson", "", {t(), kNone}},
      {"aten::binomial", "", {at::full_like(t(), 9), t(), kNone}},
      {"aten::_standard_gamma", "", {t(), kNone}},
      {"aten::_sample_dirichlet", "", {t(), kNone}},
  };
}

std::string shape_of(const Stack& stack) {
  std::ostringstream text;
  for (const auto& value : stack) {
    const at::Tensor t = value.toTensor();
    text << t.scalar_type() << t.sizes() << t.strides() << ' ';
  }
  return text.str();
}

// Every operator, dtype and layout: the same errors, or outputs of the same dtype, sizes and
// strides.
TEST(RandomOperators, OutputsAndErrorsAreAtens) {
  int succeeded = 0;
  for (const auto dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kByte, at::kInt,
                           at::kLong, at::kBool, at::kUInt16, at::kComplexFloat}) {
    for (int which = 0; which < 4; ++which) {
      const std::vector<Sample> for_aten = samples(which, dtype);
      const std::vector<Sample> for_ours = samples(which, dtype);
      for (size_t k = 0; k < for_ours.size(); ++k) {
        const Sample& sample = for_ours[k];
        SCOPED_TRACE(sample.name + "." + sample.overload + " " + c10::toString(dtype) + " layout " +
                     std::to_string(which));
        std::string aten_shape;
        std::string our_shape;
        const std::string aten = error_of([&] {
          aten_shape = shape_of(run_aten(sample.name, sample.overload, for_aten[k].arguments));
        });
        const std::string mine = error_of([&] {
          our_shape = shape_of(run_ours(sample.name, sample.overload, sample.arguments));
        });
        EXPECT_EQ(aten, mine);
        EXPECT_EQ(aten_shape, our_shape);
        succeeded += aten == "no error" ? 1 : 0;
      }
    }
  }
  EXPECT_GT(succeeded, 500);
}

TEST(RandomOperators, BadArgumentsGiveAtensErrors) {
  const auto f = [] { return at::rand({3}); };
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  const auto infinity = std::numeric_limits<double>::infinity();
  const auto expanded = [] { return at::zeros({1}).expand({3}); };
  const auto i = [] { return at::zeros({3}, at::kInt); };
  const auto h = [] { return at::zeros({3}, at::kHalf); };
  const auto b = [] { return at::zeros({3}, at::kBool); };
  // A failing call leaves its arguments as they are: both kernels get the same.
  const std::vector<Sample> bad = {
      {"aten::uniform_", "", {f(), 2.0, 1.0, kNone}},
      {"aten::uniform_", "", {f(), 0.0, 1e39, kNone}},
      {"aten::uniform_", "", {f(), -3e38, 3e38, kNone}},
      {"aten::uniform_", "", {f(), nan, 1.0, kNone}},
      {"aten::uniform_", "", {h(), 0.0, 1e5, kNone}},
      {"aten::uniform_", "", {expanded(), 0.0, 1.0, kNone}},
      {"aten::uniform_", "", {at::empty({0}, at::kInt), 0.0, 1.0, kNone}},
      {"aten::normal_", "", {f(), 0.0, -1.0, kNone}},
      {"aten::normal_", "", {f(), 0.0, nan, kNone}},
      {"aten::normal_", "", {expanded(), 0.0, 1.0, kNone}},
      {"aten::log_normal_", "", {f(), 0.0, 0.0, kNone}},
      {"aten::cauchy_", "", {f(), 0.0, 0.0, kNone}},
      {"aten::cauchy_", "", {i(), 0.0, 1.0, kNone}},
      {"aten::exponential_", "", {f(), 0.0, kNone}},
      {"aten::exponential_", "", {f(), -0.5, kNone}},
      {"aten::exponential_", "", {i(), 1.0, kNone}},
      {"aten::geometric_", "", {f(), 0.0, kNone}},
      {"aten::geometric_", "", {f(), 1.0, kNone}},
      {"aten::geometric_", "", {b(), 0.5, kNone}},
      {"aten::bernoulli_", "float", {f(), 1.5, kNone}},
      {"aten::bernoulli_", "float", {f(), -0.5, kNone}},
      {"aten::bernoulli_", "float", {f(), nan, kNone}},
      {"aten::bernoulli_", "float", {expanded(), 0.5, kNone}},
      {"aten::bernoulli_", "Tensor", {f(), at::tensor({0.5, 1.5, 0.5}), kNone}},
      {"aten::bernoulli_", "Tensor", {f(), at::tensor({0.5, -0.1, 0.5}), kNone}},
      {"aten::bernoulli_", "Tensor", {f(), at::full({3}, nan), kNone}},
      {"aten::bernoulli_", "Tensor", {f(), at::rand({3, 3}), kNone}},
      {"aten::bernoulli_", "Tensor", {f(), at::rand({2}), kNone}},
      {"aten::bernoulli_", "Tensor", {f(), at::ones({3}, at::kLong), kNone}},
      {"aten::bernoulli", "out", {i(), kNone, f()}},
      {"aten::random_", "to", {f(), 0, kNone}},
      {"aten::random_", "from", {f(), 5, 5, kNone}},
      {"aten::random_", "from", {at::zeros({3}, at::kByte), 0, 300, kNone}},
      {"aten::random_", "from", {at::zeros({3}, at::kByte), -1, 3, kNone}},
      {"aten::random_", "from", {h(), 0, 1 << 20, kNone}},
      {"aten::random_", "from", {b(), 0, 3, kNone}},
      {"aten::random_", "from", {i(), std::numeric_limits<int64_t>::min(), kNone, kNone}},
      {"aten::random_", "from", {i(), int64_t{1} << 40, kNone, kNone}},
      {"aten::random_", "", {expanded(), kNone}},
      {"aten::normal", "Tensor_float", {f(), -1.0, kNone}},
      {"aten::normal", "float_Tensor", {0.0, at::tensor({1.0, -1.0}), kNone}},
      {"aten::normal", "Tensor_Tensor", {f(), at::rand({2}), kNone}},
      {"aten::normal", "Tensor_Tensor", {f(), at::zeros({3}, at::kComplexFloat), kNone}},
      {"aten::native_dropout", "", {f(), 1.5, true}},
      {"aten::native_dropout", "", {f(), -0.5, true}},
      {"aten::native_dropout", "", {f(), 1.5, false}},
      {"aten::native_dropout", "", {f(), nan, true}},
      {"aten::randperm", "generator_out", {-1, kNone, at::empty({0}, at::kLong)}},
      {"aten::randperm", "generator_out", {300, kNone, at::empty({0}, at::kByte)}},
      {"aten::randperm", "generator_out", {3000, kNone, at::empty({0}, at::kHalf)}},
      {"aten::randperm", "generator_out", {3, kNone, at::empty({0}, at::kBool)}},
      {"aten::multinomial", "", {f(), 0, false, kNone}},
      {"aten::multinomial", "", {f(), 4, false, kNone}},
      {"aten::multinomial", "", {at::rand({2, 2, 2}), 1, false, kNone}},
      {"aten::multinomial", "", {at::rand({}), 1, false, kNone}},
      {"aten::multinomial", "", {i(), 1, false, kNone}},
      {"aten::multinomial", "", {at::zeros({3}), 1, false, kNone}},
      {"aten::multinomial", "", {at::tensor({1.0, -1.0}), 1, false, kNone}},
      {"aten::multinomial", "", {at::tensor({1.0, nan}), 1, false, kNone}},
      {"aten::multinomial", "", {at::tensor({1.0, infinity}), 1, false, kNone}},
      {"aten::multinomial", "", {at::tensor({1.0, -1.0}), 5, true, kNone}},
      {"aten::multinomial", "out", {f(), 1, false, kNone, at::empty({0})}},
      {"aten::rrelu_with_noise", "", {f().neg(), f(), 0.5, 0.1, true, kNone}},
      {"aten::rrelu_with_noise", "", {f(), at::rand({2}), 0.1, 0.5, true, kNone}},
      {"aten::rrelu_with_noise", "", {f(), f().to(at::kDouble), 0.1, 0.5, true, kNone}},
      {"aten::rrelu_with_noise", "", {h(), h(), 0.1, 0.5, true, kNone}},
      {"aten::poisson", "", {f().neg(), kNone}},
      {"aten::poisson", "", {i(), kNone}},
      {"aten::binomial", "", {i(), f(), kNone}},
      {"aten::_standard_gamma", "", {i(), kNone}},
  };
  int errors = 0;
  for (size_t k = 0; k < bad.size(); ++k) {
    const Sample& sample = bad[k];
    const std::string aten =
        error_of([&] { run_aten(sample.name, sample.overload, sample.arguments); });
    const std::string mine =
        error_of([&] { run_ours(sample.name, sample.overload, sample.arguments); });
    EXPECT_EQ(aten, mine) << sample.name << "." << sample.overload << " number " << k;
    errors += aten == "no error" ? 0 : 1;
  }
  EXPECT_GE(errors, 60);
}

TEST(RandomOperators, LeavesTheRestOfTheStackAlone) {
  for (const Sample& sample : samples(0, at::kFloat)) {
    Stack stack{IValue(17)};
    for (const auto& value : sample.arguments) stack.push_back(value);
    find_random_kernel({sample.name, sample.overload})(stack, {.seed = 1, .offset = 4});
    const auto op = find_op(sample.name, sample.overload);
    ASSERT_EQ(stack.size(), 1 + op.schema().returns().size()) << sample.name;
    EXPECT_EQ(stack[0].toInt(), 17);
  }
}

TEST(RandomOperators, InPlaceAndOutReturnTheirArgument) {
  for (const Sample& sample : samples(0, at::kFloat)) {
    const auto op = find_op(sample.name, sample.overload);
    const auto& returns = op.schema().returns();
    if (returns[0].alias_info() == nullptr) continue;
    const Stack arguments = sample.arguments;
    const Stack results = run_ours(sample.name, sample.overload, arguments);
    const auto returned = results[0].toTensor();
    bool found = false;
    for (const auto& value : arguments)
      found |= value.isTensor() && value.toTensor().is_same(returned);
    EXPECT_TRUE(found) << sample.name << "." << sample.overload;
  }
}

// Every operator: the same state gives the same values, another offset other ones, and a transposed
// input the same as a contiguous one.
TEST(RandomOperators, StateDecidesTheValues) {
  at::manual_seed(5);
  for (int which = 0; which < 2; ++which) {
    for (const Sample& sample : samples(which, at::kDouble)) {
      SCOPED_TRACE(sample.name + "." + sample.overload);
      const Stack base = sample.arguments;
      const auto copy = [&](bool contiguous) {
        Stack stack;
        for (const auto& value : base) {
          if (!value.isTensor()) {
            stack.push_back(value);
            continue;
          }
          at::Tensor tensor = value.toTensor().clone();
          stack.emplace_back(contiguous ? tensor.contiguous() : tensor);
        }
        return stack;
      };
      const PhiloxState state{.seed = 99, .offset = 40};
      const at::Tensor first = ours(sample.name, sample.overload, copy(false), state);
      EXPECT_TRUE(same_bits(first, ours(sample.name, sample.overload, copy(false), state)));
      EXPECT_TRUE(same_bits(first, ours(sample.name, sample.overload, copy(true), state)));
    }
  }
  for (const char* name : {"aten::poisson", "aten::_standard_gamma", "aten::_sample_dirichlet"}) {
    const at::Tensor rates = at::rand({1000}) * 20;
    const at::Tensor first = ours(name, "", {rates, kNone}, {1, 4});
    EXPECT_FALSE(same_bits(first, ours(name, "", {rates, kNone}, {1, 8})));
    EXPECT_FALSE(same_bits(first, ours(name, "", {rates, kNone}, {1 + (uint64_t{1} << 32), 4})));
  }
}

TEST(RandomOperators, SequentialOperatorsHaveTheRightMeans) {
  const int64_t n = 200'000;
  const auto mean = [](const at::Tensor& t) { return t.mean().item<double>(); };
  EXPECT_NEAR(mean(ours("aten::poisson", "", {at::full({n}, 4.0), kNone})), 4, 0.03);
  EXPECT_NEAR(mean(ours("aten::poisson", "", {at::full({n}, 40.0), kNone})), 40, 0.1);
  EXPECT_NEAR(mean(ours("aten::binomial", "", {at::full({n}, 20.0), at::full({n}, 0.3), kNone})), 6,
              0.03);
  EXPECT_NEAR(mean(ours("aten::_standard_gamma", "", {at::full({n}, 2.5), kNone})), 2.5, 0.03);
  const at::Tensor dirichlet =
      ours("aten::_sample_dirichlet", "", {at::tensor({1.0, 3.0}).expand({n, 2}), kNone});
  EXPECT_NEAR(mean(dirichlet.select(1, 0)), 0.25, 0.005);
  const at::Tensor drawn = ours("aten::multinomial", "", {at::tensor({1.0, 3.0}), n, true, kNone});
  EXPECT_NEAR(mean(drawn.to(at::kDouble)), 0.75, 0.005);
}

TEST(RandomOperators, GeneratorStateUsesAllOfSeedAndOffset) {
  const auto first_draw = [](PhiloxState state) {
    return at::empty({4}).uniform_(0, 1, make_cpu_generator(state));
  };
  const at::Tensor base = first_draw({.seed = 1, .offset = 4});
  EXPECT_TRUE(same_bits(base, first_draw({.seed = 1, .offset = 4})));
  const uint64_t high = uint64_t{1} << 40;
  for (const PhiloxState state :
       {PhiloxState{2, 4}, PhiloxState{1, 8}, PhiloxState{1 + high, 4}, PhiloxState{1, 4 + high}}) {
    EXPECT_FALSE(same_bits(base, first_draw(state)));
  }
}

at::Tensor custom_noise(const at::Tensor& self, std::optional<at::Generator> generator) {
  return at::empty_like(self).normal_(0, 1, std::move(generator));
}

TORCH_LIBRARY_FRAGMENT(trireme_random_test, m) {
  m.def("noise(Tensor self, Generator? generator=None) -> Tensor");
  m.impl("noise", c10::DispatchKey::CPU, TORCH_FN(custom_noise));
}

TEST(RandomOperators, CustomOperatorsGetACpuGenerator) {
  const auto op = find_op("trireme_random_test::noise", "");
  const auto run = [&](PhiloxState state) {
    Stack stack{IValue(at::zeros({100})), kNone};
    call_with_cpu_generator(op, stack, state);
    return stack.at(0).toTensor();
  };
  EXPECT_TRUE(same_bits(run({3, 4}), run({3, 4})));
  EXPECT_FALSE(same_bits(run({3, 4}), run({3, 8})));
}

}  // namespace
}  // namespace trireme::run
