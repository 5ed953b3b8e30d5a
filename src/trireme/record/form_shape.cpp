// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/form_shape.h"

#include <algorithm>
#include <bit>
#include <span>
#include <string_view>

namespace trireme::record {
namespace {

class ShapeReader {
 public:
  explicit ShapeReader(const CallForm& form) : form_(form) {}

  FormShape read() {
    word(form_.words.empty() ? 0 : form_.words[0]);  // op and global state
    word((form_.grad_mode ? 1 : 0) + (form_.complete ? 2 : 0) + 4 * form_.updates.size());
    const auto& schema = form_.op->handle.schema().arguments();
    for (size_t i = 0; i < form_.args.size(); ++i) slot(form_.args[i], schema[i]);
    for (const ReturnSlot& returned : form_.returns) {
      word((static_cast<uint64_t>(returned.count) << 1U) + (returned.list ? 1 : 0));
    }
    for (const OutputSlot& output : form_.outputs) {
      word((static_cast<uint64_t>(output.index) << 3U) + static_cast<uint64_t>(output.kind));
      if (output.kind != OutputSlot::Kind::Fresh) continue;
      geometry(output.geometry);
      number(output.geometry.offset);
    }
    const auto bytes = std::span(reinterpret_cast<const uint8_t*>(words_.data()),
                                 words_.size() * sizeof(uint64_t));
    shape_.skeleton = base::siphash128(bytes, 0, 0);
    return std::move(shape_);
  }

 private:
  void word(uint64_t value) { words_.push_back(value); }

  void number(int64_t value, bool is_size = false) {
    shape_.numbers.push_back(value);
    shape_.is_size.push_back(is_size);
  }

  void geometry(const Geometry& tensor) {
    word((static_cast<uint64_t>(tensor.dtype) << 8U) + (tensor.conj ? 1 : 0) +
         (tensor.neg ? 2 : 0) + (tensor.wrapped_number ? 4 : 0));
    word(tensor.sizes().size());
    const auto special = [](int64_t value) {
      return static_cast<uint64_t>(std::clamp<int64_t>(value, -1, 2) + 1);
    };
    for (const int64_t size : tensor.sizes()) {
      word(special(size));
      number(size, /*is_size=*/true);
    }
    for (const int64_t stride : tensor.strides()) {
      word(special(stride));
      number(stride);
    }
  }

  void slot(const ArgSlot& argument, const c10::Argument& schema) {
    word(static_cast<uint64_t>(argument.kind));
    switch (argument.kind) {
      case ArgSlot::Kind::Constant:
        constant(argument.constant, names_a_kind(schema));
        break;
      case ArgSlot::Kind::Tensor:
        word(form_.written[tensors_] ? 1 : 0);
        geometry(form_.tensors[tensors_++]);
        break;
      case ArgSlot::Kind::TensorList:
      case ArgSlot::Kind::NumberList:
        word(argument.items.size());
        for (const ArgSlot& item : argument.items) slot(item, schema);
        break;
      case ArgSlot::Kind::HostTensor:
      case ArgSlot::Kind::Number:
        break;
    }
  }

  void text(std::string_view value) {
    word(value.size());
    for (const char letter : value) word(static_cast<uint8_t>(letter));
  }

  void constant(const c10::IValue& value, bool is_kind) {
    enum Tag : uint8_t { None, Bool, Int, Double, Device, Text, List, Other };
    if (value.isNone()) return word(None);
    if (value.isBool()) return word(Bool + (value.toBool() ? 256 : 0));
    if (value.isInt()) {
      word(Int);
      if (is_kind) {
        word(static_cast<uint64_t>(value.toInt()));
      } else {
        number(value.toInt());
      }
      return;
    }
    if (value.isDouble()) {
      word(Double);
      return word(std::bit_cast<uint64_t>(value.toDouble()));
    }
    if (value.isDevice()) return word(Device);
    if (value.isString()) {
      word(Text);
      return text(value.toStringRef());
    }
    if (value.isIntList()) {
      word(List);
      const auto list = value.toIntVector();
      word(list.size());
      for (const int64_t item : list) constant(item, is_kind);
      return;
    }
    if (value.isList()) {
      word(List);
      const c10::List<c10::IValue> list = value.toList();
      word(list.size());
      for (size_t i = 0; i < list.size(); ++i) constant(list.get(i), is_kind);
      return;
    }
    // Like no other form.
    word(Other);
    word(reinterpret_cast<uintptr_t>(&form_));
  }

  const CallForm& form_;
  std::vector<uint64_t> words_;
  FormShape shape_;
  size_t tensors_ = 0;
};

}  // namespace

bool names_a_kind(const c10::Argument& argument) {
  c10::TypePtr type = argument.real_type();
  if (type->kind() == c10::TypeKind::OptionalType) {
    type = type->expectRef<c10::OptionalType>().getElementType();
  }
  switch (type->kind()) {
    case c10::TypeKind::ScalarTypeType:
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType:
      return true;
    default:
      return false;
  }
}

const FormShape& shape_of(const CallForm& form) {
  if (form.shape == nullptr) {
    form.shape = std::make_shared<const FormShape>(ShapeReader(form).read());
  }
  return *form.shape;
}

}  // namespace trireme::record
