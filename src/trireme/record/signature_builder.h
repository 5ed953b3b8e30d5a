// SPDX-License-Identifier: Apache-2.0
// Turns a call's arguments, one by one, into signature and bindings: the same words whether they
// come as C++ values (a typed kernel) or boxed.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/IListRef.h>
#include <ATen/core/List.h>
#include <ATen/core/TensorBody.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/SymIntArrayRef.h>
#include <c10/core/UndefinedTensorImpl.h>

#include <array>
#include <bit>
#include <concepts>
#include <optional>
#include <string_view>

#include "trireme/record/draft.h"

namespace trireme::record {

// Each add() takes the next argument, and returns false where it has no signature: the call is then
// a foreign one. Throws as build_signature does.
class SignatureBuilder {
 public:
  SignatureBuilder(const OpInfo& op, Draft& draft) : op_(op), draft_(draft) {
    draft.start(op);
    words().push_back(op.id | global_state() << 32);
  }

  // After the last argument.
  void finish() {
    if (!written_.empty() && draft_.tensors.size() > 1) add_overlaps();
    draft_.signature.hash = hash_words(words());
  }

  // --- boxed ---
  bool add_boxed(const c10::IValue& value);

  // --- C++ values; of the types that PyTorch's schemas have ---
  bool add(const at::Tensor& tensor) {
    const size_t index = next_++;
    return add_tensor(tensor.unsafeGetTensorImpl(), index);
  }
  bool add(const std::optional<at::Tensor>& tensor) {
    if (tensor) return add(*tensor);
    return add_none();
  }
  bool add(const at::ITensorListRef& list) {
    const size_t index = next_++;
    mark(Mark::List, list.size());
    for (const at::Tensor& item : list) {
      if (!add_tensor(item.unsafeGetTensorImpl(), index)) return false;
    }
    return true;
  }
  bool add(at::TensorList list) {
    const size_t index = next_++;
    mark(Mark::List, list.size());
    for (const at::Tensor& item : list) {
      if (!add_tensor(item.unsafeGetTensorImpl(), index)) return false;
    }
    return true;
  }
  bool add(const c10::List<std::optional<at::Tensor>>& list) { return add_boxed(list); }
  bool add(const at::Scalar& number) {
    const size_t index = next_++;
    return add_value(number, op_.args[index].kind);
  }
  bool add(at::ArrayRef<at::Scalar> numbers) {
    const size_t index = next_++;
    mark(Mark::List, numbers.size());
    for (const at::Scalar& number : numbers) {
      if (!add_value(number, op_.args[index].kind)) return false;
    }
    return true;
  }
  bool add(std::same_as<double> auto number) {
    const size_t index = next_++;
    return add_value(number, op_.args[index].kind);
  }
  bool add(std::same_as<bool> auto flag) {
    ++next_;
    mark(Mark::Bool, static_cast<uint64_t>(flag));
    return true;
  }
  bool add(std::same_as<int64_t> auto number) {
    ++next_;
    add_int(number);
    return true;
  }
  bool add(const c10::SymInt& number) {
    if (number.is_symbolic()) return false;
    return add(number.as_int_unchecked());
  }
  bool add(at::IntArrayRef list) {
    ++next_;
    mark(Mark::List, list.size());
    for (const int64_t item : list) add_int(item);
    return true;
  }
  bool add(c10::SymIntArrayRef list) {
    const auto ints = c10::asIntArrayRefSlowOpt(list);
    return ints && add(*ints);
  }
  bool add(at::OptionalIntArrayRef list) { return list ? add(*list) : add_none(); }
  bool add(at::OptionalSymIntArrayRef list) { return list ? add(*list) : add_none(); }
  template <size_t N>
  bool add(const std::array<bool, N>& flags) {
    ++next_;
    mark(Mark::List, N);
    for (const bool flag : flags) mark(Mark::Bool, static_cast<uint64_t>(flag));
    return true;
  }
  bool add(c10::string_view text) {
    ++next_;
    add_string(text);
    return true;
  }
  bool add(at::ScalarType dtype) { return add(static_cast<int64_t>(dtype)); }
  bool add(at::Layout layout) { return add(static_cast<int64_t>(layout)); }
  bool add(at::MemoryFormat format) { return add(static_cast<int64_t>(format)); }
  bool add(at::Device device) {
    ++next_;
    return add_device(device);
  }
  bool add(const at::Generator& generator) {
    ++next_;
    return add_generator(generator.defined() ? generator.unsafeGetGeneratorImpl() : nullptr);
  }
  template <class T>
  bool add(const std::optional<T>& value) {
    if (value) return add(*value);
    if constexpr (std::is_same_v<T, at::Generator>) {
      ++next_;
      return add_generator(nullptr);
    } else {
      return add_none();
    }
  }

 private:
  // The first word of each argument says what follows, so that no two argument lists share a string
  // of words.
  enum class Mark : uint64_t {
    None = 1,
    Tensor,
    Undefined,
    HostTensor,
    List,
    Number,
    Int,
    Double,
    Bool,
    Complex,
    String,
    Device,
    Generator,
    Overlap,
  };

  // Tensors that are more than their storage and geometry.
  static constexpr c10::DispatchKeySet kForeign =
      c10::DispatchKeySet(c10::DispatchKey::ZeroTensor) |
      c10::DispatchKeySet(c10::DispatchKey::Quantized);

  c10::SmallVector<uint64_t, 64>& words() { return draft_.signature.words; }
  static uint64_t global_state();
  static uint64_t hash_words(const c10::SmallVector<uint64_t, 64>& words);

  void mark(Mark mark, uint64_t detail = 0) {
    words().push_back(static_cast<uint64_t>(mark) | detail << 8);
  }
  void add_int(int64_t number) {
    mark(Mark::Int);
    words().push_back(static_cast<uint64_t>(number));
  }
  bool add_none() {
    ++next_;
    mark(Mark::None);
    return true;
  }

  bool add_tensor(c10::TensorImpl* tensor, size_t argument) {
    const ArgInfo& info = op_.args[argument];
    if (info.written && info.kind == ArgKind::Tensor)
      written_.push_back(static_cast<uint32_t>(draft_.tensors.size()));
    if (tensor == c10::UndefinedTensorImpl::singleton()) {
      mark(Mark::Undefined);
      draft_.bindings.tensors.push_back({});
      draft_.tensors.push_back(nullptr);
      return true;
    }
    const c10::DispatchKeySet keys = tensor->key_set();
    if (!keys.has(c10::DispatchKey::PrivateUse1)) return add_other_device(*tensor, argument);
    if (keys.has_any(kForeign) || !tensor->has_storage()) return false;
    VirtualStorage* storage = virtual_storage(*tensor);
    if (storage == nullptr) return false;
    add_layout(Mark::Tensor, *tensor);
    draft_.bindings.tensors.push_back({storage, tensor->storage_offset()});
    draft_.tensors.push_back(tensor);
    draft_.bindings.requires_grad = draft_.bindings.requires_grad || tensor->requires_grad();
    return true;
  }

  void add_layout(Mark kind, const c10::TensorImpl& tensor) {
    const auto sizes = tensor.sizes();
    const auto strides = tensor.strides();
    mark(kind, static_cast<uint64_t>(c10::typeMetaToScalarType(tensor.dtype())) |
                   static_cast<uint64_t>(tensor.is_conj()) << 8 |
                   static_cast<uint64_t>(tensor.is_neg()) << 9 |
                   static_cast<uint64_t>(tensor.is_wrapped_number()) << 10 | sizes.size() << 16);
    auto& to = words();
    to.append(reinterpret_cast<const uint64_t*>(sizes.begin()),
              reinterpret_cast<const uint64_t*>(sizes.end()));
    to.append(reinterpret_cast<const uint64_t*>(strides.begin()),
              reinterpret_cast<const uint64_t*>(strides.end()));
  }

  bool add_value(const c10::IValue& value, ArgKind kind);
  bool add_boxed_tensor(const c10::IValue& value, size_t argument);
  bool add_other_device(const c10::TensorImpl& tensor, size_t argument);
  bool add_number(const c10::IValue& value);
  bool add_constant(const c10::IValue& value);
  bool add_device(at::Device device);
  bool add_generator(c10::GeneratorImpl* generator);
  void add_string(std::string_view text);
  void add_overlaps();

  const OpInfo& op_;
  Draft& draft_;
  size_t next_ = 0;  // index of the next argument
  // Places among the tensors of those that the op writes; not of lists, which are too many to
  // compare.
  c10::SmallVector<uint32_t, 4> written_;
};

}  // namespace trireme::record
