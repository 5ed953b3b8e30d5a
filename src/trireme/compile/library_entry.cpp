// SPDX-License-Identifier: Apache-2.0
// What the compiler's library exports.
#include "trireme/compile/compiler.h"

extern "C" __attribute__((visibility("default"))) trireme::compile::Compiler* trireme_make_compiler(
    const char* kernels) {
  return trireme::compile::make_cpu_compiler(kernels).release();
}
