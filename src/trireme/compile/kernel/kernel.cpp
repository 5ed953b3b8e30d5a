// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

size_t scratch_offset(const Kernel& kernel, size_t array) {
  size_t offset = 0;
  for (size_t i = 0; i < array; ++i) {
    const size_t bytes =
        static_cast<size_t>(kernel.scratch[i].count) * graph::size_of(kernel.scratch[i].dtype);
    offset += (bytes + 63) / 64 * 64;
  }
  return offset;
}

size_t parameter_count(graph::Distribution distribution) {
  const bool one = distribution == graph::Distribution::Bernoulli ||
                   distribution == graph::Distribution::Exponential;
  return one ? 1 : 2;
}

Extent range_of(const Kernel& kernel) {
  Extent total = 0;
  for (const Loop& loop : kernel.body) total += loop.count;
  return total;
}

}  // namespace trireme::compile
