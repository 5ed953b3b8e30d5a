// SPDX-License-Identifier: Apache-2.0
// Which vector loops are sums of columns.
#pragma once

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// Whether the points of the loop reduce along one loop each, and nothing else happens before: their
// loops can be interchanged, so that rows are read along.
bool is_column_sum(const Loop& loop);
// The loop along a column, where the loop has one.
const Loop* column_of(const Loop& loop);

}  // namespace trireme::compile
