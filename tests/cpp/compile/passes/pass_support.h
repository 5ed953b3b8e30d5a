// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trireme/compile/passes/pass.h"

namespace trireme::compile::testing {

const Pass& pass_named(std::string_view name);

// The pass makes the second text of the first one; the graph stays well formed, and the interpreter
// gives the same for both: bit for bit, or floats to a relative tolerance. Both texts are parsed:
// how they are laid out does not matter. A second run of the pass changes nothing.
void expect_rewritten(std::string_view pass, const std::string& before, const std::string& after,
                      float tolerance = 0, std::vector<int64_t> symbols = {});
void expect_unchanged(std::string_view pass, const std::string& text);

}  // namespace trireme::compile::testing
