// SPDX-License-Identifier: Apache-2.0
// The device's allocator: hands out storages without memory; memory statistics are the host
// allocator's.
#pragma once

#include <c10/core/Allocator.h>

namespace trireme::device {

c10::Allocator* device_allocator();
void register_allocator();

// Pinned memory is ordinary memory of the host, remembered so that is_pinned() is right.
c10::Allocator* pinned_allocator();
bool is_pinned(const void* data);

}  // namespace trireme::device
