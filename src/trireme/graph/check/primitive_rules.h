// SPDX-License-Identifier: Apache-2.0
// The rules of the primitives whose operands have sizes of their own. The operands and results are
// as many as they must be. Sizes that depend on symbols pass where they cannot be compared.
#pragma once

#include "trireme/graph/check/node_check.h"

namespace trireme::graph {

void check_convolve_sizes(NodeCheck& check, const Convolve& convolve);
void check_attend_sizes(NodeCheck& check, const Attend& attend);

}  // namespace trireme::graph
