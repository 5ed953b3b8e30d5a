// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/expression.h"
#include "trireme/graph/text/reader.h"

namespace trireme::graph {

// Statements up to and with `return` and its terms. A node per written term, arguments first.
Expression read_expression(Reader& reader);

}  // namespace trireme::graph
