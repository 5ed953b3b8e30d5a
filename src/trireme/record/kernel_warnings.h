// SPDX-License-Identifier: Apache-2.0
// Warnings that kernels raise on the executor's thread, kept until the program's thread can issue
// them: that is where its handlers are (Python's `warnings` among them).
#pragma once

#include <c10/util/Exception.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "trireme/record/call_site.h"
#include "trireme/record/op_info.h"

namespace trireme::record {

class KernelWarnings {
 public:
  // On the executor's thread. A warning that already waits is not kept twice.
  void keep(const c10::Warning& warning, const OpInfo& op, SiteId site);

  using Issuer = void (*)(const c10::Warning& warning);
  // How the program's thread issues a warning; without one, as PyTorch's own code does.
  void set_issuer(Issuer issuer) { issuer_ = issuer; }
  void issue(const c10::Warning& warning) const { issuer_(warning); }

  // On the program's thread, where it has waited: issues what waits, with op and source line.
  void issue() {
    if (waiting_.load(std::memory_order_relaxed)) [[unlikely]]
      issue_now();
  }

 private:
  struct Kept {
    c10::Warning warning;
    const OpInfo* op;
    SiteId site;
  };

  void issue_now();

  Issuer issuer_ = &c10::warn;
  std::atomic<bool> waiting_{false};
  std::mutex mutex_;
  std::vector<Kept> kept_;
};

}  // namespace trireme::record
