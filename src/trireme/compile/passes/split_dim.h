// SPDX-License-Identifier: Apache-2.0
// A dimension of a node's iteration space as two.
#pragma once

#include <cstdint>

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Splits the dimension into [size / inner, inner]; `inner` divides its size. False, and nothing is
// done, of a node whose dimensions mean more than points (Convolve, Scan, ...) and where an
// expression asks for the dimension's coordinate or size.
bool split_dim(graph::Node& node, uint32_t dim, int64_t inner);

}  // namespace trireme::compile
