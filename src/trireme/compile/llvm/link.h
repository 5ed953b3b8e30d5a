// SPDX-License-Identifier: Apache-2.0
// Links object code for an address, perhaps of another process, by LLVM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "trireme/compile/code/code.h"
#include "trireme/compile/code/externals.h"

namespace trireme::compile {

// `object`: compile_object's bytes, perhaps saved by another process. `externals`: of the process
// in which the image will lie at `base`. Throws CompileError where the bytes are no object code for
// this CPU or call something else.
Image link_object(std::span<const std::byte> object, uint64_t base,
                  std::span<const External> externals);

// For this process.
Module load_object(std::span<const std::byte> object,
                   std::span<const External> callable = externals());

}  // namespace trireme::compile
