// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/env.h"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace trireme::base {

std::optional<std::string> env_string(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::string(text);
}

std::optional<std::string> env_folder(const char* name) {
  auto folder = env_string(name);
  std::error_code ignored;
  if (folder) std::filesystem::create_directories(*folder, ignored);
  return folder;
}

bool env_flag(const char* name, bool fallback) {
  const auto text = env_string(name);
  if (!text) return fallback;
  for (const char* yes : {"1", "true", "on", "yes"}) {
    if (*text == yes) return true;
  }
  for (const char* no : {"0", "false", "off", "no"}) {
    if (*text == no) return false;
  }
  throw std::invalid_argument(std::string(name) + "=" + *text + ": expected 0 or 1");
}

int64_t env_int(const char* name, int64_t fallback) {
  const auto text = env_string(name);
  if (!text) return fallback;
  char* end = nullptr;
  const int64_t value = std::strtoll(text->c_str(), &end, 10);
  if (end == text->c_str() || *end != '\0' || value < 0) {
    throw std::invalid_argument(std::string(name) + "=" + *text +
                                ": expected a non-negative integer");
  }
  return value;
}

}  // namespace trireme::base
