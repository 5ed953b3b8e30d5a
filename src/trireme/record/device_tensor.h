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

// The outputs of a call whose form is complete, one after another.
class Outputs {
 public:
  // `arguments`: the program's tensors (Draft::tensors); `fresh`: one storage for each of the
  // form's fresh_nbytes. All three must outlive this.
  Outputs(const CallForm& form, c10::ArrayRef<c10::TensorImpl*> arguments,
          c10::ArrayRef<c10::Storage> fresh)
      : form_(form), arguments_(arguments), fresh_(fresh) {}

  at::Tensor next();
  // All of them, as the op's boxed results.
  std::vector<c10::IValue> all();

 private:
  const CallForm& form_;
  c10::ArrayRef<c10::TensorImpl*> arguments_;
  c10::ArrayRef<c10::Storage> fresh_;
  size_t next_ = 0;
};

// Makes what the call changes of its arguments' own sizes.
void apply_updates(const CallForm& form, c10::ArrayRef<c10::TensorImpl*> arguments);

}  // namespace trireme::record
