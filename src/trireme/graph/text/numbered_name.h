// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trireme::graph {

// "%" and 5: %5. (Plain "%" + std::to_string(5) draws a false -Wrestrict from GCC 12: its bug
// 105651.)
inline std::string numbered_name(std::string_view prefix, uint64_t number) {
  std::string name(prefix);
  name += std::to_string(number);
  return name;
}

}  // namespace trireme::graph
