// SPDX-License-Identifier: Apache-2.0
// Helpers of the random tests: calling an operator through our kernel and through ATen's.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "trireme/run/random/random.h"

namespace trireme::run::testing {

using torch::jit::Stack;

inline c10::OperatorHandle find_op(const std::string& name, const std::string& overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), overload.c_str());
}

// The operator by Trireme's kernel.
inline Stack run_ours(const std::string& name, const std::string& overload, Stack stack,
                      PhiloxState state = {.seed = 42, .offset = 8}) {
  const RandomKernel kernel = find_random_kernel({name, overload});
  TORCH_CHECK(kernel != nullptr, "no random kernel for ", name, ".", overload);
  kernel(stack, state);
  return stack;
}

// The operator by ATen's CPU kernel.
inline Stack run_aten(const std::string& name, const std::string& overload, Stack stack) {
  find_op(name, overload).redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
  return stack;
}

inline at::Tensor ours(const std::string& name, const std::string& overload, Stack stack,
                       PhiloxState state = {.seed = 42, .offset = 8}) {
  return run_ours(name, overload, std::move(stack), state).at(0).toTensor();
}

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const c10::NotImplementedError& error) {
    return std::string("NotImplementedError: ") + error.what_without_backtrace();
  } catch (const c10::Error& error) {
    return std::string("Error: ") + error.what_without_backtrace();
  } catch (const std::exception& error) {
    return std::string("exception: ") + error.what();
  }
  return "no error";
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const at::Tensor x = a.contiguous();
  const at::Tensor y = b.contiguous();
  return x.nbytes() == 0 || std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

// The Kolmogorov-Smirnov statistic times sqrt(n): above 1.95 once in 1000 for true samples.
template <class Cdf>
double kolmogorov_smirnov(const at::Tensor& samples, const Cdf& cdf) {
  const at::Tensor sorted = std::get<0>(samples.flatten().to(at::kDouble).sort());
  const auto* data = sorted.const_data_ptr<double>();
  const auto n = static_cast<double>(sorted.numel());
  double largest = 0;
  for (int64_t i = 0; i < sorted.numel(); ++i) {
    const double expected = cdf(data[i]);
    largest = std::max({largest, expected - static_cast<double>(i) / n,
                        static_cast<double>(i + 1) / n - expected});
  }
  return largest * std::sqrt(n);
}

}  // namespace trireme::run::testing
