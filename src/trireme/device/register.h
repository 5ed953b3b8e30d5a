// SPDX-License-Identifier: Apache-2.0
// Making PyTorch know the device.
#pragma once

namespace trireme::device {

// Registers allocator, hooks and kernels, once; connects the recorder to what runs its calls.
void register_device();

void register_hooks();
void register_kernels();

// What PyTorch keeps for each thread, set as the device has it; cheap after the first call.
void prepare_thread();

}  // namespace trireme::device
