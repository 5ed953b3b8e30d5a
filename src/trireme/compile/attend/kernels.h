// SPDX-License-Identifier: Apache-2.0
// All kernels for one instruction set.
#pragma once

#include "trireme/compile/attend/backward.h"
#include "trireme/compile/attend/few_rows.h"
#include "trireme/compile/attend/forward.h"

namespace trireme::compile::detail {

template <class Isa>
constexpr AttendKernels make_attend_kernels() {
  return {.forward = &forward<Isa>,
          .few_rows = &few_rows<Isa>,
          .backward = &backward<Isa>,
          .finish = &finish<Isa>};
}

}  // namespace trireme::compile::detail
