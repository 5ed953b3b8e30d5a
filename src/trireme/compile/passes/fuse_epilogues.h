// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Maps that follow a convolution of the forward pass, each the only reader of what it reads, become
// one Map that does what libraries do besides convolving: result * scale + shift, more tensors, an
// activation (cluster/epilogue.h). Scales and shifts, from a bias or the running statistics of a
// batch norm, are computed for each channel before: x * (w * r) + (b - m * w * r) for
// (x - m) * r * w + b, as eager does. The convolution moves to just before the Map.
bool fuse_epilogues(graph::Graph& graph);

}  // namespace trireme::compile
