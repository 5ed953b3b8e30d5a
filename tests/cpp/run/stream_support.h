// SPDX-License-Identifier: Apache-2.0
// Programs for tests of recordings.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>

#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"
#include "trireme/run/executor.h"
#include "trireme/run/reference_executor.h"

namespace trireme::run::testing {

// The recorder without the device room: ops are recorded by hand.
class Program {
 public:
  Program() {
    auto& hooks = record::recorder().hooks();
    hooks.draw = [](c10::GeneratorImpl*) { return record::PhiloxState{7, 40}; };
    hooks.ensure_running = &ensure_executor;
    hooks.allocator = c10::GetCPUAllocator();
  }

  at::Tensor enter(const at::Tensor& host) { return record::recorder().adopt_dense(host.clone()); }

  at::Tensor call(const char* name, const char* overload, torch::jit::Stack stack) {
    const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
    record::recorder().record(record::op_info(handle), &stack);
    return stack.empty() || !stack[0].isTensor() ? at::Tensor() : stack[0].toTensor();
  }

  void read(const at::Tensor& tensor) {
    record::VirtualStorage& storage = *record::virtual_storage(*tensor.unsafeGetTensorImpl());
    auto& recorder = record::recorder();
    recorder.wait_for_use(storage);
    recorder.wait_for_data(storage);
    const record::Geometry geometry = record::geometry_of(*tensor.unsafeGetTensorImpl());
    const at::Tensor host = host_tensor(storage, geometry, geometry.offset);
    recorder.tell([&](record::Observer& observer) {
      observer.read(storage, geometry, geometry.offset, host, 0);
    });
  }
};

}  // namespace trireme::run::testing
