// SPDX-License-Identifier: Apache-2.0
// Trireme's random kernels against ATen's CPU kernels, both through the boxed stack, interleaved:
// the ratio of the best times (below 1: Trireme is faster).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "trireme/run/random/random.h"

namespace {

using torch::jit::Stack;

struct Case {
  std::string title;
  std::string name;
  std::string overload;
  std::function<Stack(int64_t)> arguments;
};

std::vector<Case> cases() {
  const c10::IValue none;
  const auto of = [](at::ScalarType dtype) {
    return [dtype](int64_t n) { return at::empty({n}, dtype); };
  };
  std::vector<Case> list;
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const std::string suffix = std::string(" ") + c10::toString(dtype);
    const auto make = of(dtype);
    list.push_back({"uniform_" + suffix, "aten::uniform_", "", [=](int64_t n) {
                      return Stack{make(n), 0.0, 1.0, none};
                    }});
    list.push_back({"normal_" + suffix, "aten::normal_", "", [=](int64_t n) {
                      return Stack{make(n), 0.0, 1.0, none};
                    }});
    list.push_back({"exponential_" + suffix, "aten::exponential_", "", [=](int64_t n) {
                      return Stack{make(n), 1.0, none};
                    }});
    list.push_back({"native_dropout" + suffix, "aten::native_dropout", "", [=](int64_t n) {
                      return Stack{make(n).fill_(1), 0.1, true};
                    }});
    list.push_back({"bernoulli_" + suffix, "aten::bernoulli_", "float", [=](int64_t n) {
                      return Stack{make(n), 0.9, none};
                    }});
  }
  const auto floats = of(at::kFloat);
  const auto longs = of(at::kLong);
  const auto bools = of(at::kBool);
  list.push_back({"bernoulli_ Bool", "aten::bernoulli_", "float", [=](int64_t n) {
                    return Stack{bools(n), 0.9, none};
                  }});
  list.push_back({"bernoulli_ by tensor", "aten::bernoulli_", "Tensor", [=](int64_t n) {
                    return Stack{floats(n), floats(n).fill_(0.3), none};
                  }});
  list.push_back({"uniform_ transposed", "aten::uniform_", "", [=](int64_t n) {
                    return Stack{floats(n / 10 * 10).view({10, -1}).t(), 0.0, 1.0, none};
                  }});
  list.push_back({"random_ Long", "aten::random_", "", [=](int64_t n) {
                    return Stack{longs(n), none};
                  }});
  list.push_back({"random_ to 50000 Long", "aten::random_", "to", [=](int64_t n) {
                    return Stack{longs(n), 50'000, none};
                  }});
  list.push_back({"log_normal_ Float", "aten::log_normal_", "", [=](int64_t n) {
                    return Stack{floats(n), 0.0, 1.0, none};
                  }});
  list.push_back({"cauchy_ Float", "aten::cauchy_", "", [=](int64_t n) {
                    return Stack{floats(n), 0.0, 1.0, none};
                  }});
  list.push_back({"geometric_ Float", "aten::geometric_", "", [=](int64_t n) {
                    return Stack{floats(n), 0.3, none};
                  }});
  list.push_back({"randperm Long", "aten::randperm", "generator_out", [=](int64_t n) {
                    return Stack{n, none, longs(n)};
                  }});
  list.push_back({"multinomial 1 of n", "aten::multinomial", "", [=](int64_t n) {
                    return Stack{floats(std::min<int64_t>(n, 1 << 24)).fill_(1), 1, false, none};
                  }});
  return list;
}

double seconds(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  at::set_num_threads(2);
  const std::string only = argc > 1 ? argv[1] : "";
  std::printf("%-26s %10s %14s %14s %7s\n", "", "elements", "aten ns/elem", "trireme", "ratio");
  for (const Case& one : cases()) {
    if (one.title.find(only) == std::string::npos) continue;
    const auto op =
        c10::Dispatcher::singleton().findSchemaOrThrow(one.name.c_str(), one.overload.c_str());
    const auto kernel = trireme::run::find_random_kernel({one.name, one.overload});
    for (const int64_t n : {int64_t{16}, int64_t{1000}, int64_t{100'000}, int64_t{10'000'000}}) {
      const Stack arguments = one.arguments(n);
      const int64_t calls = std::max<int64_t>(1, 50'000 / n);
      uint64_t offset = 0;
      const auto aten = [&] {
        for (int64_t i = 0; i < calls; ++i) {
          Stack stack = arguments;
          op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
        }
      };
      const auto ours = [&] {
        for (int64_t i = 0; i < calls; ++i) {
          Stack stack = arguments;
          kernel(stack, {.seed = 1, .offset = offset += trireme::run::kPhiloxStride});
        }
      };
      double best_aten = std::numeric_limits<double>::infinity();
      double best_ours = best_aten;
      const int repeats = n >= 1'000'000 ? 5 : 50;
      for (int r = 0; r < repeats; ++r) {
        best_aten = std::min(best_aten, seconds(aten));
        best_ours = std::min(best_ours, seconds(ours));
      }
      const double scale = 1e9 / static_cast<double>(n * calls);
      std::printf("%-26s %10ld %14.3f %14.3f %7.3f\n", one.title.c_str(), static_cast<long>(n),
                  best_aten * scale, best_ours * scale, best_ours / best_aten);
    }
  }
  return EXIT_SUCCESS;
}
