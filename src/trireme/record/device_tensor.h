// SPDX-License-Identifier: Apache-2.0
// Making the tensors that the program sees.
#pragma once

#include <ATen/core/stack.h>

#include "trireme/record/call_form.h"

namespace trireme::record {

inline const c10::Device kDevice(c10::DeviceType::PrivateUse1, 0);

// Throws for a device index other than 0.
void check_device(c10::Device device);

// A device tensor over a storage of the device.
at::Tensor make_device_tensor(c10::Storage storage, const Geometry& geometry, int64_t offset);

// The program's tensor that is the form's tensor argument number `index`.
const at::Tensor& tensor_argument(const CallForm& form, c10::ArrayRef<c10::IValue> args,
                                  uint32_t index);

// The call's results over `fresh`, one storage for each of form.fresh_nbytes; and what the call
// changes of its arguments' own sizes.
std::vector<c10::IValue> make_results(const CallForm& form, c10::ArrayRef<c10::IValue> args,
                                      c10::ArrayRef<c10::Storage> fresh);
void apply_updates(const CallForm& form, c10::ArrayRef<c10::IValue> args);

}  // namespace trireme::record
