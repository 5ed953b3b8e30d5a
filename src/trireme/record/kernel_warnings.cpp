// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/kernel_warnings.h"

#include <algorithm>
#include <utility>

namespace trireme::record {
namespace {

constexpr size_t kMost = 256;  // different ones, between two waits; the rest says nothing new

}  // namespace

void KernelWarnings::keep(const c10::Warning& warning, const OpInfo& op, SiteId site) {
  const std::lock_guard lock(mutex_);
  const bool known = std::any_of(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.op == &op && kept.site == site && kept.warning.msg() == warning.msg();
  });
  if (known || kept_.size() == kMost) return;
  kept_.push_back({warning, &op, site});
  waiting_.store(true, std::memory_order_relaxed);
}

void KernelWarnings::issue_now() {
  std::vector<Kept> kept;
  {
    const std::lock_guard lock(mutex_);
    kept = std::exchange(kept_, {});
    waiting_.store(false, std::memory_order_relaxed);
  }
  for (const Kept& each : kept) {
    const c10::Warning& warning = each.warning;
    issue(c10::Warning(warning.type(), warning.source_location(),
                       warning.msg() + "\n[trireme: raised by " + each.op->name + ", called at " +
                           describe_site(each.site) + "]",
                       warning.verbatim()));
  }
}

}  // namespace trireme::record
