// SPDX-License-Identifier: Apache-2.0
// Ops that CUDA has for a dtype and the CPU has not: computed in a wider dtype that the CPU has.
#pragma once

#include <ATen/core/boxing/KernelFunction.h>

#include "trireme/record/op_info.h"

namespace trireme::device {

// Whether some calls of the op are widened; its kernel is then this one, which records all others
// as they are.
bool may_widen(const record::OpInfo& op);
c10::BoxedKernel widen_kernel(const record::OpInfo& op);

}  // namespace trireme::device
