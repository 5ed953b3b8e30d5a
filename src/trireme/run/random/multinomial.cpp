// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/random/multinomial.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/topk.h>

#include "trireme/run/random/distributions.h"

namespace trireme::run::random {

namespace {

constexpr int64_t kMaxCategories = int64_t{1} << 24;  // of ATen: float's consecutive integers

// ATen's checks, in its order and words.
void check(const at::Tensor& out, const at::Tensor& self, int64_t num_samples, bool replacement) {
  TORCH_CHECK(self.dim() > 0 && self.dim() <= 2, "prob_dist must be 1 or 2 dim");
  TORCH_CHECK(
      at::isFloatingType(self.scalar_type()),
      "multinomial only supports floating-point dtypes for input, got: ", self.scalar_type());
  TORCH_CHECK(out.scalar_type() == at::kLong,
              "multinomial expects Long tensor out, got: ", out.scalar_type());
  TORCH_CHECK(num_samples > 0, "cannot sample n_sample <= 0 samples");
  const int64_t categories = self.size(-1);
  TORCH_CHECK(replacement || num_samples <= categories,
              "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  TORCH_CHECK(categories <= kMaxCategories, "number of categories cannot exceed 2^24");
}

void check_values(const at::Tensor& self) {
  const bool valid = self.max().item<double>() < std::numeric_limits<double>::infinity() &&
                     self.min().item<double>() >= 0;
  TORCH_CHECK(valid, "probability tensor contains either `inf`, `nan` or element < 0");
  const bool empty_row = self.sum(-1).eq(0).any().item<bool>();
  TORCH_CHECK(!empty_row, "invalid multinomial distribution (sum of probabilities <= 0)");
}

}  // namespace

void multinomial_race(at::Tensor& out, const at::Tensor& probabilities, int64_t num_samples,
                      bool replacement, const Draw& draw) {
  check(out, probabilities, num_samples, replacement);
  if (probabilities.dim() == 1) {
    out.resize_({num_samples});
  } else {
    out.resize_({probabilities.size(0), num_samples});
  }
  if (out.numel() == 0) return;
  check_values(probabilities);
  // p_i / e_i is largest with probability p_i / sum(p). Half and bfloat16 would have ties.
  const at::ScalarType dtype =
      probabilities.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor weights = probabilities.to(dtype);
  at::Tensor race = at::empty(weights.sizes(), weights.options());
  exponential_(race, 1.0, draw);
  at::div_out(race, weights, race);
  if (num_samples == 1) {
    at::argmax_out(out, race, -1, /*keepdim=*/true);
  } else {
    at::Tensor values = at::empty(out.sizes(), race.options());
    at::topk_out(values, out, race, num_samples);
  }
}

}  // namespace trireme::run::random
