// SPDX-License-Identifier: Apache-2.0
// Compiles kernels for this machine's CPU by LLVM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trireme/compile/code/code.h"
#include "trireme/compile/code/externals.h"
#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// What machine code depends on beside the kernels: CPU, its features, version of LLVM.
std::string host_key();

// Object code of the kernels for this CPU, behind a header that names the CPU; it calls none but
// `callable`. Any thread may call it. The same arguments give the same bytes. Throws CompileError.
std::vector<std::byte> compile_object(std::span<const Kernel> kernels,
                                      std::span<const External> callable = externals());

// The LLVM IR of one kernel, before optimisation.
std::string print_llvm(const Kernel& kernel);

// The object code behind the header. Throws CompileError where the bytes are none for this CPU.
std::string_view object_code(std::span<const std::byte> object);

}  // namespace trireme::compile
