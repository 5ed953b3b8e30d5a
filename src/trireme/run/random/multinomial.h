// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trireme/run/random/fill.h"

namespace trireme::run::random {

// aten::multinomial.out where samples don't repeat or there is one: a race of exponentials.
void multinomial_race(at::Tensor& out, const at::Tensor& probabilities, int64_t num_samples,
                      bool replacement, const Draw& draw);

}  // namespace trireme::run::random
