// SPDX-License-Identifier: Apache-2.0
// A call's signature: all that decides its output metadata, as a string of words; and its bindings:
// the rest.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <cstdint>

#include "trireme/record/op_info.h"
#include "trireme/record/virtual_storage.h"

namespace trireme::record {

// A tensor argument of a call: where its data lies. The layout is the signature's part. Null:
// undefined tensor.
struct TensorRef {
  VirtualStorage* storage = nullptr;
  int64_t offset = 0;  // in elements
};

// What differs between two calls of the same signature, in order of appearance.
struct Bindings {
  c10::SmallVector<TensorRef, 4> tensors;
  c10::SmallVector<c10::IValue, 2> values;  // numbers, and CPU tensors by value
  bool requires_grad = false;               // some tensor argument does

  void clear() {
    requires_grad = false;
    tensors.clear();
    values.clear();
  }
};

struct Signature {
  c10::SmallVector<uint64_t, 64> words;
  uint64_t hash = 0;
};

struct Draft;

enum class SignatureResult : uint8_t {
  Ok,
  Foreign,  // holds something that has no signature: a sparse tensor, a torchbind object, ...
};

// Builds signature, bindings and tensors of a call. Reads `at::GradMode`, the default dtype and the
// determinism flags, which decide output metadata too. Throws c10::Error where device and CPU
// tensors are mixed as CUDA forbids.
SignatureResult build_signature(const OpInfo& op, c10::ArrayRef<c10::IValue> args, Draft& draft);

}  // namespace trireme::record
