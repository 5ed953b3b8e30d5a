// SPDX-License-Identifier: Apache-2.0
// Kernels side by side.
#pragma once

#include <vector>

#include "trireme/compile/cluster/lower.h"

namespace trireme::compile {

// One kernel that does what several do, in one range. None reads what another writes.
ClusterKernel merge_kernels(std::vector<ClusterKernel> kernels);

}  // namespace trireme::compile
