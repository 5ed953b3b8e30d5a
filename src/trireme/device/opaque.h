// SPDX-License-Identifier: Apache-2.0
// Opaque calls: what cannot be recorded as data runs on the CPU at once, on the program's thread,
// after everything recorded before it. Slow, always right.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "trireme/record/op_info.h"

namespace trireme::device {

// RecorderHooks::run_opaque.
void run_opaque(const record::OpInfo& op, torch::jit::Stack* stack);

// A boxed fallback for a dispatch key of the device.
void opaque_fallback(const c10::OperatorHandle& handle, c10::DispatchKeySet keys,
                     torch::jit::Stack* stack);

// A device tensor of a CPU tensor that no one else uses, sparse ones included.
at::Tensor adopt(const at::Tensor& host);

// The CPU tensor over a device tensor's memory. Waits for its data; what is written to it, the
// device tensor has.
at::Tensor to_host(const at::Tensor& tensor);

}  // namespace trireme::device
