// SPDX-License-Identifier: Apache-2.0
// How much memory this process may use.
#pragma once

#include <cstddef>
#include <string>

namespace trireme::run {

// The least of the physical memory and the limits of the control groups (v1 and v2) the process is
// in. `root` is put before every path read; for tests.
size_t system_memory_limit(const std::string& root = "");

}  // namespace trireme::run
