// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/call_form.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/UndefinedTensorImpl.h>

namespace trireme::record {
namespace {

class FormReader {
 public:
  FormReader(const OpInfo& op, CallForm& form) : op_(op), form_(form) {}

  void read(c10::ArrayRef<c10::IValue> args) {
    for (size_t i = 0; i < op_.args.size(); ++i) {
      form_.args.push_back(read_arg(op_.args[i], args[i], op_.handle.schema().arguments()[i]));
    }
  }

 private:
  ArgSlot read_arg(const ArgInfo& info, const c10::IValue& value, const c10::Argument& argument) {
    switch (info.kind) {
      case ArgKind::Tensor:
        return read_tensor(value, info.written);
      case ArgKind::TensorList: {
        if (value.isNone()) return {};
        ArgSlot slot{.kind = ArgSlot::Kind::TensorList};
        slot.optional_items = list_item_type(argument)->kind() == c10::TypeKind::OptionalType;
        for (const auto& item : value.toListRef())
          slot.items.push_back(read_tensor(item, info.written));
        return slot;
      }
      case ArgKind::Number:
        return op_.value_keyed ? constant(value) : read_number(value);
      case ArgKind::NumberList: {
        if (op_.value_keyed || value.isNone()) return constant(value);
        ArgSlot slot{.kind = ArgSlot::Kind::NumberList};
        for (const auto& item : value.toListRef()) slot.items.push_back(read_number(item));
        slot.item_type = list_item_type(argument);
        return slot;
      }
      case ArgKind::Generator:
        return {};
      case ArgKind::Constant:
        return constant(value);
    }
    return {};
  }

  ArgSlot constant(const c10::IValue& value) {
    // The call runs on the CPU: that is where its factories make their tensors.
    if (value.isDevice()) return {.constant = c10::Device(c10::DeviceType::CPU)};
    // Lists are shared by reference; the program's copy may change.
    return {.constant = value.isList() ? c10::IValue(value.toList().copy()) : value};
  }

  static ArgSlot read_number(const c10::IValue& value) {
    if (value.isNone()) return {};
    return {.kind = ArgSlot::Kind::Number};
  }

  ArgSlot read_tensor(const c10::IValue& value, bool written) {
    if (value.isNone()) return {};
    const c10::TensorImpl& tensor = *value.unsafeToTensorImpl();
    const bool defined = &tensor != c10::UndefinedTensorImpl::singleton();
    if (defined && !tensor.key_set().has(c10::DispatchKey::PrivateUse1)) {
      return {.kind = ArgSlot::Kind::HostTensor};
    }
    form_.tensors.push_back(defined ? geometry_of(tensor) : Geometry{});
    form_.written.push_back(written);
    return {.kind = ArgSlot::Kind::Tensor};
  }

  const OpInfo& op_;
  CallForm& form_;
};

}  // namespace

c10::TypePtr list_item_type(const c10::Argument& argument) {
  auto type = argument.type();
  if (type->kind() == c10::TypeKind::OptionalType) {
    type = type->expectRef<c10::OptionalType>().getElementType();
  }
  return type->expectRef<c10::ListType>().getElementType();
}

std::unique_ptr<CallForm> make_form(const OpInfo& op, c10::ArrayRef<c10::IValue> args,
                                    const Signature& signature) {
  auto form = std::make_unique<CallForm>();
  form->op = &op;
  form->words.assign(signature.words.begin(), signature.words.end());
  form->hash = signature.hash;
  form->grad_mode = at::GradMode::is_enabled();
  FormReader(op, *form).read(args);
  return form;
}

}  // namespace trireme::record
