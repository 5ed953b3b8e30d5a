// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/op_table.h"

namespace trireme::graph {

void add_reduction_rows([[maybe_unused]] OpTable& table) {}

}  // namespace trireme::graph
