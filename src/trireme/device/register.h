// SPDX-License-Identifier: Apache-2.0
// Making PyTorch know the device.
#pragma once

namespace trireme::device {

// Registers allocator, hooks and kernels, once; connects the recorder to what runs its calls.
void register_device();

void register_hooks();
void register_kernels();

}  // namespace trireme::device
