// SPDX-License-Identifier: Apache-2.0
// The compiler, from its library beside the module: loaded when it is first asked for, because LLVM
// and oneDNN take their time.
#pragma once

#include <string>
#include <vector>

#include "trireme/compile/compiler.h"

namespace trireme::run {

// Throws trireme::Error where the library cannot be loaded. Any thread; stays for the process.
const compile::Compiler& load_compiler();

// Whether it is there at all.
bool compiler_installed();

// TRIREME_PASSES_OFF: the names, which commas separate.
std::vector<std::string> passes_off();

}  // namespace trireme::run
