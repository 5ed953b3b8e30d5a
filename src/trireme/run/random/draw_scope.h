// SPDX-License-Identifier: Apache-2.0
// ATen's distribution templates (ATen/native/DistributionTemplates.h) hold every check and message
// of the CPU operators, and default-construct the kernel they call. So the draw reaches our kernels
// by way of the thread.
#pragma once

#include "trireme/run/random/fill.h"

namespace trireme::run::detail {

class DrawScope {
 public:
  explicit DrawScope(const Draw& draw);
  ~DrawScope();
  DrawScope(const DrawScope&) = delete;
  DrawScope& operator=(const DrawScope&) = delete;

  static const Draw& current();

 private:
  const Draw* outer_;
};

// What the templates call `RNG`; nothing is done with it.
struct NoGenerator {};

}  // namespace trireme::run::detail
