// SPDX-License-Identifier: Apache-2.0
// Reading TRIREME_* environment variables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace trireme::base {

// The variable's text; nothing when it is unset or empty.
std::optional<std::string> env_string(const char* name);

// A folder, which is made where it is missing; what cannot be made is found out by who writes
// there.
std::optional<std::string> env_folder(const char* name);

// True for 1/true/on/yes. Anything else that is set and not 0/false/off/no throws
// std::invalid_argument.
bool env_flag(const char* name, bool fallback = false);

// A non-negative integer. Throws std::invalid_argument when the text is not one.
int64_t env_int(const char* name, int64_t fallback);

}  // namespace trireme::base
