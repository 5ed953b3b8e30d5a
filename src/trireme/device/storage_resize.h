// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Storage.h>

namespace trireme::device {

// Makes a device storage `nbytes` large; what fits of its contents stays. Recorded: does not wait.
void resize_storage(const c10::Storage& storage, size_t nbytes);

}  // namespace trireme::device
