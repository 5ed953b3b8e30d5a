// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/call_site.h"

namespace trireme::record {
namespace {
SiteProvider g_provider;  // set once, when the Python module is loaded
}

void set_site_provider(SiteProvider provider) { g_provider = provider; }

SiteId current_site() {
  return g_provider.current != nullptr ? g_provider.current() : kUnknownSite;
}

std::string describe_site(SiteId site) {
  if (site == kUnknownSite || g_provider.describe == nullptr) return "unknown line";
  return g_provider.describe(site);
}

}  // namespace trireme::record
