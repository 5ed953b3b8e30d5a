// SPDX-License-Identifier: Apache-2.0
// The executor's entry to Trireme's random kernels. docs/random.md lists the operators.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/operator_name.h>
#include <ATen/core/stack.h>

#include <vector>

#include "trireme/run/random/philox.h"

namespace trireme::run {

// Takes an operator's arguments from the boxed stack (CPU tensors; generator arguments are ignored)
// and leaves its results on it, as the operator's CPU kernel would, drawing from `state`.
using RandomKernel = void (*)(torch::jit::Stack& stack, PhiloxState state);

// The kernel for a random operator, or nullptr. A hash look-up: keep the answer with the operator.
RandomKernel find_random_kernel(const c10::OperatorName& name);

// For an operator that has a Generator argument but no kernel above (a custom operator, for one):
// calls its CPU kernel with a fresh CPU generator that is a function of `state` alone.
void call_with_cpu_generator(const c10::OperatorHandle& op, torch::jit::Stack& stack,
                             PhiloxState state);

// All that find_random_kernel knows, for tests and documentation.
std::vector<c10::OperatorName> random_kernel_names();

}  // namespace trireme::run
