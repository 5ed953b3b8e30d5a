// SPDX-License-Identifier: Apache-2.0
// The inverse of print.h; the grammar, by example, is in docs/ir.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "trireme/graph/ir/graph.h"
#include "trireme/graph/text/lexer.h"

namespace trireme::graph {

// The call of an opaque node with this name; null: there is none.
using OpaqueFactory = std::function<std::shared_ptr<const OpaqueCall>(const std::string& name)>;

// ParseError tells where and what was expected. Whether the graph makes sense is verify's to say.
// Without a factory an opaque node is an error.
Graph parse(std::string_view text, const OpaqueFactory& factory = {});
Expression parse_expression(std::string_view text);

}  // namespace trireme::graph
