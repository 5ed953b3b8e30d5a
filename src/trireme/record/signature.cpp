// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/signature.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clone.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/UndefinedTensorImpl.h>

#include <bit>

#include "trireme/record/device_tensor.h"

namespace trireme::record {
namespace {

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
};

class Builder {
 public:
  Builder(const OpInfo& op, Signature& signature, Bindings& bindings)
      : op_(op), words_(signature.words), bindings_(bindings) {
    words_.clear();
    bindings_.clear();
  }

  bool build(c10::ArrayRef<c10::IValue> args) {
    words_.push_back(op_.id | global_state() << 32);
    for (size_t i = 0; i < op_.args.size(); ++i) {
      if (!add(op_.args[i].kind, args[i])) return false;
    }
    return true;
  }

 private:
  static uint64_t global_state() {
    const auto& context = at::globalContext();
    return static_cast<uint64_t>(c10::get_default_dtype_as_scalartype()) |
           static_cast<uint64_t>(at::GradMode::is_enabled()) << 8 |
           static_cast<uint64_t>(context.deterministicAlgorithms()) << 9 |
           static_cast<uint64_t>(context.deterministicFillUninitializedMemory()) << 10;
  }

  void mark(Mark mark, uint64_t detail = 0) {
    words_.push_back(static_cast<uint64_t>(mark) | detail << 8);
  }

  bool add(ArgKind kind, const c10::IValue& value) {
    switch (kind) {
      case ArgKind::Tensor:
        return add_tensor(value);
      case ArgKind::TensorList: {
        if (value.isNone()) return add_constant(value);
        const auto items = value.toListRef();
        mark(Mark::List, items.size());
        for (const auto& item : items) {
          if (!add_tensor(item)) return false;
        }
        return true;
      }
      case ArgKind::Number:
        return op_.value_keyed ? add_constant(value) : add_number(value);
      case ArgKind::NumberList: {
        if (op_.value_keyed || value.isNone()) return add_constant(value);
        const auto items = value.toListRef();
        mark(Mark::List, items.size());
        for (const auto& item : items) {
          if (!add_number(item)) return false;
        }
        return true;
      }
      case ArgKind::Generator:
        mark(Mark::Generator);  // which one does not matter: the call carries the state drawn from
                                // it
        return true;
      case ArgKind::Constant:
        return add_constant(value);
    }
    return false;
  }

  bool add_tensor(const c10::IValue& value) {
    if (value.isNone()) {
      mark(Mark::None);
      return true;
    }
    if (!value.isTensor()) return false;
    const c10::TensorImpl& tensor = *value.unsafeToTensorImpl();
    if (&tensor == c10::UndefinedTensorImpl::singleton()) {
      mark(Mark::Undefined);
      bindings_.tensors.push_back({});
      return true;
    }
    const c10::DispatchKeySet keys = tensor.key_set();
    if (!keys.has(c10::DispatchKey::PrivateUse1)) return add_other_device(value.toTensor());
    if (keys.has(c10::DispatchKey::ZeroTensor) || !tensor.has_storage()) return false;
    VirtualStorage* storage = virtual_storage(tensor);
    if (storage == nullptr) return false;
    add_layout(Mark::Tensor, tensor);
    bindings_.tensors.push_back({storage, tensor.storage_offset()});
    bindings_.requires_grad = bindings_.requires_grad || tensor.requires_grad();
    return true;
  }

  void add_layout(Mark kind, const c10::TensorImpl& tensor) {
    const auto sizes = tensor.sizes();
    const auto strides = tensor.strides();
    mark(kind, static_cast<uint64_t>(c10::typeMetaToScalarType(tensor.dtype())) |
                   static_cast<uint64_t>(tensor.is_conj()) << 8 |
                   static_cast<uint64_t>(tensor.is_neg()) << 9 |
                   static_cast<uint64_t>(tensor.is_wrapped_number()) << 10 | sizes.size() << 16);
    for (const int64_t size : sizes) words_.push_back(static_cast<uint64_t>(size));
    for (const int64_t stride : strides) words_.push_back(static_cast<uint64_t>(stride));
  }

  bool add_other_device(const at::Tensor& tensor) {
    const bool host = tensor.device().is_cpu() && tensor.layout() == c10::Layout::Strided;
    if (!host && tensor.device().type() == c10::DeviceType::PrivateUse1) return false;
    TORCH_CHECK(host && (tensor.dim() == 0 || op_.host_tensors),
                "Expected all tensors to be on the same device, but found at least two devices, "
                "trireme:0 and ",
                tensor.device(), "! (in ", op_.name,
                "; move the tensor with .to(\"trireme\") before the call)");
    add_layout(Mark::HostTensor, *tensor.unsafeGetTensorImpl());
    // A Python number's tensor is the call's own; any other may be written by the program before
    // the call runs.
    const bool own = tensor.unsafeGetTensorImpl()->is_wrapped_number();
    bindings_.values.emplace_back(own ? tensor : snapshot(tensor));
    return true;
  }

  static at::Tensor snapshot(const at::Tensor& tensor) {
    const at::AutoDispatchBelowAutograd below;
    return tensor.detach().clone(at::MemoryFormat::Preserve);
  }

  bool add_number(const c10::IValue& value) {
    uint64_t type = 0;
    if (value.isDouble()) {
      type = 1;
    } else if (value.isInt()) {
      type = 2;
    } else if (value.isBool()) {
      type = 3;
    } else if (value.isComplexDouble()) {
      type = 4;
    } else if (value.isNone()) {
      mark(Mark::None);
      return true;
    } else {
      return false;  // a symbolic number
    }
    mark(Mark::Number, type);
    bindings_.values.push_back(value);
    return true;
  }

  bool add_constant(const c10::IValue& value) {
    if (value.isInt()) {
      mark(Mark::Int);
      words_.push_back(static_cast<uint64_t>(value.toInt()));
    } else if (value.isNone()) {
      mark(Mark::None);
    } else if (value.isBool()) {
      mark(Mark::Bool, static_cast<uint64_t>(value.toBool()));
    } else if (value.isDouble()) {
      mark(Mark::Double);
      words_.push_back(std::bit_cast<uint64_t>(value.toDouble()));
    } else if (value.isComplexDouble()) {
      const auto number = value.toComplexDouble();
      mark(Mark::Complex);
      words_.push_back(std::bit_cast<uint64_t>(number.real()));
      words_.push_back(std::bit_cast<uint64_t>(number.imag()));
    } else if (value.isDevice()) {
      check_device(value.toDevice());
      mark(Mark::Device, static_cast<uint64_t>(value.toDevice().type()));
    } else if (value.isString()) {
      add_string(value.toStringRef());
    } else if (value.isList()) {
      const auto items = value.toListRef();
      mark(Mark::List, items.size());
      for (const auto& item : items) {
        if (!add_constant(item)) return false;
      }
    } else {
      return false;
    }
    return true;
  }

  void add_string(const std::string& text) {
    mark(Mark::String, text.size());
    for (size_t i = 0; i < text.size(); i += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, text.data() + i, std::min(sizeof(word), text.size() - i));
      words_.push_back(word);
    }
  }

  const OpInfo& op_;
  c10::SmallVector<uint64_t, 64>& words_;
  Bindings& bindings_;
};

// Multiply-and-fold over the words, as in wyhash (Wang Yi, public domain); collisions are only
// slow, since the words are compared too.
uint64_t hash_words(std::span<const uint64_t> words) {
  uint64_t hash = 0x9e3779b97f4a7c15ULL ^ words.size();
  for (const uint64_t word : words) {
    const auto product = static_cast<unsigned __int128>(hash ^ word) * 0xa0761d6478bd642fULL;
    hash = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64U);
  }
  return hash;
}

}  // namespace

SignatureResult build_signature(const OpInfo& op, c10::ArrayRef<c10::IValue> args,
                                Signature& signature, Bindings& bindings) {
  Builder builder(op, signature, bindings);
  if (!builder.build(args)) return SignatureResult::Foreign;
  signature.hash = hash_words({signature.words.data(), signature.words.size()});
  return SignatureResult::Ok;
}

}  // namespace trireme::record
