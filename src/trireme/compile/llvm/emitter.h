// SPDX-License-Identifier: Apache-2.0
// Kernels as LLVM functions. Includes LLVM: for llvm/*.cpp alone.
#pragma once

#include <llvm/IR/Module.h>

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// How this CPU's vectors are used.
struct VectorShape {
  unsigned lanes = 4;   // a power of 2: points that a vector loop takes at once
  bool masked = false;  // loads and stores of some lanes cost what whole ones do, at any dtype
};

// Adds the kernel's function to the module. Throws CompileError.
void emit(const Kernel& kernel, llvm::Module& module, const VectorShape& shape);

}  // namespace trireme::compile
