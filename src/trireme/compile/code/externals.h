// SPDX-License-Identifier: Apache-2.0
// What compiled code may call in the process that it runs in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trireme::compile {

struct External {
  std::string name;
  uint64_t address = 0;  // in this process
};

// The functions of functions.h; those of vector_functions.h that this system, and libtorch where it
// is loaded, have; and what LLVM itself makes calls of.
const std::vector<External>& externals();

}  // namespace trireme::compile
