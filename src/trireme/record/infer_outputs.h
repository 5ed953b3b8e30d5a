// SPDX-License-Identifier: Apache-2.0
// Output metadata of a call that has never been seen, without running it.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/util/ArrayRef.h>

#include <string>
#include <vector>

#include "trireme/record/call.h"
#include "trireme/record/call_form.h"

namespace trireme::record {

// Where the output metadata of a new signature comes from. Read from TRIREME_METADATA once.
enum class MetadataMode : uint8_t {
  Meta,   // "meta", the default: PyTorch's meta function, learned where there is none to be trusted
  Learn,  // "learn": always from the CPU kernel; the program waits for it
  Check,  // "check": learned, and compared with the meta function's; disagreements are kept
};
MetadataMode metadata_mode();

// Fills the form's outputs by the op's meta function; false: they have to be learned. `args` are
// those the form was made of.
bool infer_outputs(CallForm& form, c10::ArrayRef<c10::IValue> args, const Bindings& bindings);

// Check mode: compares what infer_outputs says with what the CPU did.
void check_inferred(const CallForm& learned, c10::ArrayRef<c10::IValue> args,
                    const Bindings& bindings);
// The disagreements so far.
std::vector<std::string> metadata_disagreements();

}  // namespace trireme::record
