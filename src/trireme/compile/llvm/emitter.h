// SPDX-License-Identifier: Apache-2.0
// Kernels as LLVM functions. Includes LLVM: for llvm/*.cpp alone.
#pragma once

#include <llvm/IR/Module.h>

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// Adds the kernel's function to the module. `lanes`: of a vector, a power of 2. Throws
// CompileError.
void emit(const Kernel& kernel, llvm::Module& module, unsigned lanes);

}  // namespace trireme::compile
