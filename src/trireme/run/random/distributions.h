// SPDX-License-Identifier: Apache-2.0
// Trireme's random distributions on CPU tensors: the arguments, checks and messages of ATen's CPU
// operators, with values that depend only on the draw's state and the elements' logical indices.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "trireme/run/random/fill.h"

namespace trireme::run::random {

void uniform_(at::Tensor& self, double from, double to, const Draw& draw);
void normal_(at::Tensor& self, double mean, double std, const Draw& draw);
void log_normal_(at::Tensor& self, double mean, double std, const Draw& draw);
void exponential_(at::Tensor& self, double lambda, const Draw& draw);
void geometric_(at::Tensor& self, double p, const Draw& draw);
void cauchy_(at::Tensor& self, double median, double sigma, const Draw& draw);
void bernoulli_(at::Tensor& self, double p, const Draw& draw);
void bernoulli_(at::Tensor& self, const at::Tensor& p, const Draw& draw);
void bernoulli_out(at::Tensor& out, const at::Tensor& p, const Draw& draw);

// The three overloads of random_: the dtype's own range, and [from, to) with to absent for "up to
// the largest value".
void random_(at::Tensor& self, const Draw& draw);
void random_(at::Tensor& self, int64_t from, std::optional<int64_t> to, const Draw& draw);

at::Tensor normal(const at::Tensor& mean, double std, const Draw& draw);
at::Tensor normal(double mean, const at::Tensor& std, const Draw& draw);
at::Tensor normal(const at::Tensor& mean, const at::Tensor& std, const Draw& draw);
void normal_out(at::Tensor& out, const at::Tensor& mean, double std, const Draw& draw);
void normal_out(at::Tensor& out, double mean, const at::Tensor& std, const Draw& draw);
void normal_out(at::Tensor& out, const at::Tensor& mean, const at::Tensor& std, const Draw& draw);

// Output and mask of aten::native_dropout.
std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor& input, double p,
                                                  std::optional<bool> train, const Draw& draw);

// Training mode of aten::rrelu_with_noise: `out` may be `self`.
void rrelu_with_noise_train(at::Tensor& out, const at::Tensor& self, at::Tensor& noise,
                            double lower, double upper, const Draw& draw);

// A permutation of [0, n) by Fisher-Yates, into an out tensor that has n elements already.
void randperm(at::Tensor& out, const Draw& draw);

}  // namespace trireme::run::random
