// SPDX-License-Identifier: Apache-2.0
// The program's source lines. How to read them from the interpreter is told by the Python module:
// this room knows no Python.
#pragma once

#include <cstdint>
#include <string>

namespace trireme::record {

// A line of the program, interned.
using SiteId = uint32_t;
inline constexpr SiteId kUnknownSite = 0;

struct SiteProvider {
  // The line that the calling thread is at: of the innermost frame that is not PyTorch's own. Must
  // be cheap and must not need the GIL for a line seen before.
  SiteId (*current)() = nullptr;
  // "file:line" of a site.
  std::string (*describe)(SiteId site) = nullptr;
};

void set_site_provider(SiteProvider provider);

// kUnknownSite where there is no provider or no Python frame (a thread of autograd).
SiteId current_site();
// "file:line", or "unknown line".
std::string describe_site(SiteId site);

}  // namespace trireme::record
