// SPDX-License-Identifier: Apache-2.0
// Making PyTorch know the device.
#pragma once

#include <c10/core/ScalarType.h>

namespace trireme::device {

// Registers allocator, hooks and kernels, once; connects the recorder to what runs its calls.
void register_device();

void register_hooks();
void register_kernels();

// What PyTorch keeps for each thread, set as the device has it; cheap after the first call.
void prepare_thread();

// The dtype that autocast uses unless told otherwise, in every thread: bfloat16, until set.
void set_default_autocast_dtype(at::ScalarType dtype);

}  // namespace trireme::device
