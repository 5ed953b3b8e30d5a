// SPDX-License-Identifier: Apache-2.0
// The one function behind every op, boxed; typed kernels are a short cut past it.
#pragma once

#include <ATen/core/boxing/KernelFunction.h>

#include "trireme/record/recorder.h"

namespace trireme::device {

class RecordKernel final : public c10::OperatorKernel {
 public:
  explicit RecordKernel(const record::OpInfo& op) : op_(op) {}
  void operator()(const c10::OperatorHandle& /*handle*/, c10::DispatchKeySet /*keys*/,
                  torch::jit::Stack* stack) {
    record::recorder().record(op_, stack);
  }

 private:
  const record::OpInfo& op_;
};

// How calls of an op reach the recorder, boxed: by RecordKernel, or by a kernel that widens some.
c10::BoxedKernel boxed_kernel(const record::OpInfo& op);

}  // namespace trireme::device
