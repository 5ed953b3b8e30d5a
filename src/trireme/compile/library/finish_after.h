// SPDX-License-Identifier: Apache-2.0
// Products whose bias and post-ops are done after them, in one pass over the result.
#pragma once

#include <functional>

#include "trireme/compile/library/gemm.h"

namespace trireme::compile {

// `make` is asked for the product without bias and post-ops, of f32. Declines what sums into C or
// scales, a result that is no float of at most 32 bits, and what `make` declines.
GemmResult finish_after(const GemmProblem& problem,
                        const std::function<GemmResult(const GemmProblem&)>& make);

}  // namespace trireme::compile
