// SPDX-License-Identifier: Apache-2.0
// The text form of graphs, for people and for tests: see docs/ir.md. parse.h is the inverse.
#pragma once

#include <string>

#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// parse(print(graph)) equals the graph (ir/equal.h) if verify finds no problem in it. A broken
// graph prints, too, but maybe as text that does not parse.
std::string print(const Graph& graph);
// One statement per line, roots last. `indent` is put before each line.
std::string print(const Expression& expression, const std::string& indent = "");

// 4*s0*s1 + 8
std::string print(const Extent& extent);
// [sizes : strides : offset]; without the offset if that is 0, and without the strides, too, if the
// view is row-major from element 0 on.
std::string print(const View& view);
// The shortest decimal number that parses to the same bits; inf, nan, nan_<16 hexadecimal digits>
// for a NaN of other bits than the default one's.
std::string print(double value);

}  // namespace trireme::graph
