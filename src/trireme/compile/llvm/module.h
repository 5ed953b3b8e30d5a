// SPDX-License-Identifier: Apache-2.0
// Compiles kernels for this machine's CPU by LLVM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// A scalar parameter's value, in the field of its dtype (bool: integer).
struct ScalarArg {
  int64_t integer = 0;
  double real = 0;
};

// Runs [begin, end) of the kernel's range. `scratch`: memory of this thread, aligned to 64 bytes,
// of scratch_offset(kernel, number of arrays) bytes.
using KernelFunction = void (*)(std::byte* const* buffers, const ScalarArg* scalars,
                                const int64_t* symbols, std::byte* scratch, int64_t begin,
                                int64_t end);

// The compiler, or the machine it compiled for, does not fit.
class CompileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What machine code depends on beside the kernels: CPU, its features, version of LLVM.
std::string host_key();

// Object code of the kernels for this CPU, behind a header that names the CPU. Any thread may call
// it. The same kernels give the same bytes. Throws CompileError.
std::vector<std::byte> compile_object(std::span<const Kernel> kernels);

// The LLVM IR of one kernel, before optimisation.
std::string print_llvm(const Kernel& kernel);

// Loaded machine code; it goes when the module goes.
class Module {
 public:
  // Of compile_object's bytes, perhaps of another process. Throws CompileError where they are not
  // object code for this CPU.
  explicit Module(std::span<const std::byte> object);
  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module();

  // Throws CompileError where there is no such kernel.
  KernelFunction function(const std::string& name) const;

 private:
  struct Loaded;
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace trireme::compile
