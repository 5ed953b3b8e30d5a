// SPDX-License-Identifier: Apache-2.0
// The typing rules of scalar expressions.
#pragma once

#include <optional>
#include <span>

#include "trireme/graph/ir/expression.h"

namespace trireme::graph {

// c64: f32, c128: f64; others: themselves.
DType real_type(DType dtype);

// What the operator gives for arguments of these dtypes, as many as its arity. None: it does not
// take such arguments. Leaves and Cast have no such rule: none, too.
std::optional<DType> result_type(ScalarOp op, std::span<const DType> args);

}  // namespace trireme::graph
