// SPDX-License-Identifier: Apache-2.0
// What all calls of one signature share: how to rebuild the arguments, and what the outputs are.
#pragma once

#include <ATen/core/ivalue.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "trireme/record/geometry.h"
#include "trireme/record/op_info.h"
#include "trireme/record/signature.h"

namespace trireme::record {

// One argument of the op, to be rebuilt from the form and a call's bindings.
struct ArgSlot {
  enum class Kind : uint8_t { Constant, Tensor, HostTensor, TensorList, Number, NumberList };
  Kind kind = Kind::Constant;
  c10::IValue constant{};  // Constant
  std::vector<ArgSlot>
      items{};  // TensorList, NumberList: Tensor, HostTensor, Number or Constant (None) items
  bool optional_items = false;  // TensorList is a Tensor?[]
  c10::TypePtr item_type{};     // NumberList: Scalar or float
};

// One tensor among a call's outputs.
struct OutputSlot {
  enum class Kind : uint8_t {
    Undefined,
    Arg,         // the argument itself (in place, out=)
    ArgStorage,  // a new tensor over the storage of an argument
    Fresh,       // a new tensor over the call's fresh storage number `index`
  };
  Kind kind = Kind::Undefined;
  uint32_t index = 0;
  Geometry geometry;
};

// One return of the op: `count` outputs, as a list or (count 1) alone.
struct ReturnSlot {
  bool list = false;
  uint32_t count = 1;
};

// An argument whose own sizes or storage the call changes (out= of another size).
struct ArgUpdate {
  uint32_t tensor = 0;
  Geometry geometry;
  size_t nbytes = 0;
};

// How many others hold on to a form; a copy of a form is held by none.
class PinCount {
 public:
  PinCount() = default;
  PinCount(const PinCount& /*other*/) {}
  PinCount& operator=(const PinCount& /*other*/) { return *this; }
  void add() { count_.fetch_add(1, std::memory_order_relaxed); }
  void drop() { count_.fetch_sub(1, std::memory_order_release); }
  bool any() const { return count_.load(std::memory_order_acquire) != 0; }

 private:
  std::atomic<uint32_t> count_{0};
};

struct FormShape;  // form_shape.h

struct CallForm {
  const OpInfo* op = nullptr;
  std::vector<uint64_t> words;  // the signature
  uint64_t hash = 0;
  bool grad_mode = true;

  std::vector<ArgSlot> args;
  std::vector<Geometry>
      tensors;  // of the tensor arguments, in order of appearance; offsets are the first call's
  std::vector<bool> written;  // which of them the op writes

  // The outputs; filled when they are known.
  bool complete = false;
  std::vector<ReturnSlot> returns;
  std::vector<OutputSlot> outputs;
  std::vector<size_t> fresh_nbytes;
  std::vector<ArgUpdate> updates;

  uint64_t hits = 0;                               // guarded by the recorder's lock
  mutable PinCount pins;                           // it is not freed while any is left
  mutable std::shared_ptr<const FormShape> shape;  // once asked for; the executor's
};

// The type of a list argument's items.
c10::TypePtr list_item_type(const c10::Argument& argument);

// Reads arguments into a form without outputs. `args` has passed build_signature.
std::unique_ptr<CallForm> make_form(const OpInfo& op, c10::ArrayRef<c10::IValue> args,
                                    const Signature& signature);

}  // namespace trireme::record
