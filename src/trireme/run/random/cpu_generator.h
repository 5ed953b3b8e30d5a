// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Generator.h>

#include "trireme/run/random/philox.h"

namespace trireme::run {

// A fresh CPU generator (Mersenne Twister) whose whole state comes from the draw's Philox stream.
at::Generator make_cpu_generator(PhiloxState state);

}  // namespace trireme::run
