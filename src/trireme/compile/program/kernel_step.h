// SPDX-License-Identifier: Apache-2.0
// A generated kernel as a step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trireme/compile/cluster/lower.h"
#include "trireme/compile/code/code.h"
#include "trireme/compile/kernel/kernel.h"
#include "trireme/compile/program/step.h"

namespace trireme::compile {

class KernelStep final : public Step {
 public:
  // `kernel`: without a name. `call`: the first that it does work of.
  KernelStep(ClusterKernel kernel, uint32_t call);

  const Kernel& kernel() const { return kernel_.kernel; }
  // To be called before it is prepared. `function`: of a kernel in the module that is equal to this
  // one.
  void load(std::shared_ptr<const Module> module, KernelFunction function);

  StepAccess access() const override;
  std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const override;
  double parallel_seconds(std::span<const int64_t> symbols) const override;
  uint32_t call() const override { return call_; }
  std::string describe() const override;

 private:
  ClusterKernel kernel_;
  uint32_t call_;
  std::shared_ptr<const Module> module_;
  KernelFunction function_ = nullptr;
};

}  // namespace trireme::compile
