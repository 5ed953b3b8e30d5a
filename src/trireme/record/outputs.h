// SPDX-License-Identifier: Apache-2.0
// From the results of a call that has run to the output slots of its form.
#pragma once

#include <ATen/core/ivalue.h>

#include <vector>

#include "trireme/record/call.h"
#include "trireme/record/call_form.h"

namespace trireme::record {

// What the results of a call were, on the CPU.
struct LearnedOutputs {
  bool strided = true;  // false: some output is sparse or not a tensor; the form stays incomplete
  std::vector<c10::Storage> fresh;  // CPU storages of the fresh outputs, by index
};

// Fills form.returns, outputs, fresh_nbytes and updates from a completed call.
LearnedOutputs learn_outputs(CallForm& form, const Bindings& bindings,
                             const Completion& completion);

// Whether two forms of one signature have the same outputs: what each is, its layout and place.
bool same_outputs(const CallForm& left, const CallForm& right);

}  // namespace trireme::record
