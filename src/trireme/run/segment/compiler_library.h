// SPDX-License-Identifier: Apache-2.0
// The compiler, from its library beside the module: loaded when it is first asked for, because LLVM
// and oneDNN take their time.
#pragma once

#include "trireme/compile/compiler.h"

namespace trireme::run {

// Throws trireme::Error where the library cannot be loaded. Any thread; stays for the process.
const compile::Compiler& load_compiler();

}  // namespace trireme::run
