// SPDX-License-Identifier: Apache-2.0
// Calls that a second thread does not make faster.
#pragma once

#include "trireme/record/call_form.h"

namespace trireme::run {

// Whether the call has so few elements in a tensor, or so few operations to do, that waking a
// second thread costs more than it does. On one thread it leaves the other cores to the program and
// to the compiler; a kernel may round differently than with more. `shared`: another thread keeps a
// processor busy (record::processors_are_shared); then a second thread costs more.
bool is_small_call(const record::CallForm& form, bool shared);

// The same as things are now. Whether a processor is shared is a matter of time, and so then is how
// a sum rounds: under torch.use_deterministic_algorithms(True) none counts as shared.
bool is_small_call_now(const record::CallForm& form);

}  // namespace trireme::run
