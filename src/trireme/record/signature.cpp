// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/signature.h"

#include <ATen/Context.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clone.h>
#include <c10/core/DefaultDtype.h>

#include <cmath>
#include <cstring>

#include "trireme/record/device_tensor.h"
#include "trireme/record/python_number.h"
#include "trireme/record/recorder.h"
#include "trireme/record/signature_builder.h"

namespace trireme::record {
namespace {

at::Tensor snapshot(const at::Tensor& tensor) {
  Recorder& recorder = record::recorder();
  recorder.hold_ahead(tensor.nbytes(), recorder.queue().appended() + 1);
  const at::AutoDispatchBelowAutograd below;
  return tensor.detach().clone(at::MemoryFormat::Preserve);
}

// Kernels refuse numbers that an argument's dtype cannot hold, and some refuse 0 or negative ones:
// at the call, in eager. So the sign of a number and the dtypes too small for it are part of the
// signature, and the first of a kind is tried while the program waits.
uint64_t magnitude_class(double magnitude, bool negative) {
  constexpr double kSmall = 127;
  if (magnitude <= kSmall) [[likely]]
    return 0;
  if (std::isnan(magnitude)) return 30;
  if (std::isinf(magnitude)) return 31;
  // Largest values of int8, uint8, float8 (two kinds), int16, float16, uint16, int32, uint32,
  // int64, bfloat16, float32.
  constexpr std::array limits{127.,
                              255.,
                              448.,
                              32767.,
                              57344.,
                              65504.,
                              65535.,
                              2147483647.,
                              4294967295.,
                              9.223372036854775e18,
                              3.3895313892515355e38,
                              3.4028234663852886e38};
  const double further = negative ? 1 : 0;  // integers reach one further below 0
  uint64_t passed = 0;
  while (passed < limits.size() && magnitude > limits[passed] + further) ++passed;
  return passed;
}

uint64_t number_class(double value) {
  uint64_t sign = 0;
  if (value < 0) sign = 1;
  if (value == 0) sign = 2;
  return magnitude_class(std::abs(value), value < 0) << 2U | sign;
}

bool is_mask(const c10::IValue& index) {
  if (!index.isTensor() || !index.toTensor().defined()) return false;
  const auto dtype = index.toTensor().scalar_type();
  return dtype == c10::ScalarType::Bool || dtype == c10::ScalarType::Byte;
}

}  // namespace

uint64_t SignatureBuilder::global_state() {
  const auto& context = at::globalContext();
  return static_cast<uint64_t>(c10::get_default_dtype_as_scalartype()) |
         static_cast<uint64_t>(at::GradMode::is_enabled()) << 8 |
         static_cast<uint64_t>(context.deterministicAlgorithms()) << 9 |
         static_cast<uint64_t>(context.deterministicFillUninitializedMemory()) << 10;
}

// Multiply-and-fold over pairs of words, as in wyhash (Wang Yi, public domain); collisions are only
// slow, since the words are compared too.
uint64_t SignatureBuilder::hash_words(const c10::SmallVector<uint64_t, 64>& words) {
  constexpr uint64_t kOdd = 0xa0761d6478bd642fULL;
  uint64_t hash = 0x9e3779b97f4a7c15ULL ^ words.size();
  const auto fold = [&](uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    hash = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64U);
  };
  size_t i = 0;
  for (; i + 1 < words.size(); i += 2) fold(hash ^ words[i], kOdd ^ words[i + 1]);
  if (i < words.size()) fold(hash ^ words[i], kOdd);
  return hash;
}

bool SignatureBuilder::add_boxed(const c10::IValue& value) {
  const size_t index = next_++;
  const ArgKind kind = op_.args[index].kind;
  switch (kind) {
    case ArgKind::Tensor:
      return add_boxed_tensor(value, index);
    case ArgKind::TensorList: {
      if (value.isNone()) return add_constant(value);
      const auto items = value.toListRef();
      mark(Mark::List, items.size());
      for (const auto& item : items) {
        if (!add_boxed_tensor(item, index)) return false;
        if (op_.masks_decide && is_mask(item)) draft_.route = Route::Awaited;
      }
      return true;
    }
    case ArgKind::NumberList: {
      if (value.isNone()) return add_constant(value);
      const auto items = value.toListRef();
      mark(Mark::List, items.size());
      for (const auto& item : items) {
        if (!add_value(item, kind)) return false;
      }
      return true;
    }
    case ArgKind::Generator: {
      if (value.isNone()) return add_generator(nullptr);
      const at::Generator generator = value.toGenerator();
      return add_generator(generator.defined() ? generator.unsafeGetGeneratorImpl() : nullptr);
    }
    case ArgKind::Number:
    case ArgKind::Constant:
      return add_value(value, kind);
  }
  return false;
}

bool SignatureBuilder::add_value(const c10::IValue& value, ArgKind kind) {
  const bool number = kind == ArgKind::Number || kind == ArgKind::NumberList;
  return number && !op_.value_keyed ? add_number(value) : add_constant(value);
}

bool SignatureBuilder::add_boxed_tensor(const c10::IValue& value, size_t argument) {
  if (value.isNone()) {
    mark(Mark::None);
    return true;
  }
  return value.isTensor() && add_tensor(value.unsafeToTensorImpl(), argument);
}

bool SignatureBuilder::add_other_device(const c10::TensorImpl& impl, size_t argument) {
  const ArgInfo& info = op_.args[argument];
  const bool host = impl.device().is_cpu() && impl.layout() == c10::Layout::Strided;
  if (!host && impl.device().type() == c10::DeviceType::PrivateUse1) return false;
  TORCH_CHECK(!op_.indexes || argument > 0, "indices should be either on ", impl.device(),
              " or on the same device as the indexed tensor (", impl.device(), ")");
  TORCH_CHECK(host && !info.written && (impl.dim() == 0 || info.host),
              "Expected all tensors to be on the same device, but found at least two devices, "
              "trireme:0 and ",
              impl.device(), "! (in ", op_.name,
              "; move the tensor with .to(\"trireme\") before the call)");
  add_layout(Mark::HostTensor, impl);
  // A tensor that holds a Python number travels as the number: freed by another thread than the one
  // that made it, a tensor's memory goes through malloc's locks.
  if (auto number = python_number_in(impl)) {
    draft_.bindings.values.push_back(std::move(*number));
    return true;
  }
  const at::Tensor tensor(
      c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(
          const_cast<c10::TensorImpl*>(&impl)));
  draft_.bindings.values.emplace_back(snapshot(tensor));  // the program may write it meanwhile
  return true;
}

bool SignatureBuilder::add_number(const c10::IValue& value) {
  uint64_t type = 0;
  uint64_t kind = 0;
  if (value.isDouble()) {
    type = 1;
    kind = number_class(value.toDouble());
  } else if (value.isInt()) {
    type = 2;
    kind = number_class(static_cast<double>(value.toInt()));
  } else if (value.isBool()) {
    type = 3;
  } else if (value.isComplexDouble()) {
    type = 4;
    const auto number = value.toComplexDouble();
    kind = number_class(number.real()) | number_class(number.imag()) << 8U;
  } else if (value.isNone()) {
    mark(Mark::None);
    return true;
  } else {
    return false;  // a symbolic number
  }
  mark(Mark::Number, type | kind << 4U);
  draft_.bindings.values.push_back(value);
  return true;
}

bool SignatureBuilder::add_constant(const c10::IValue& value) {
  if (value.isInt()) {
    add_int(value.toInt());
  } else if (value.isNone()) {
    mark(Mark::None);
  } else if (value.isBool()) {
    mark(Mark::Bool, static_cast<uint64_t>(value.toBool()));
  } else if (value.isDouble()) {
    mark(Mark::Double);
    words().push_back(std::bit_cast<uint64_t>(value.toDouble()));
  } else if (value.isComplexDouble()) {
    const auto number = value.toComplexDouble();
    mark(Mark::Complex);
    words().push_back(std::bit_cast<uint64_t>(number.real()));
    words().push_back(std::bit_cast<uint64_t>(number.imag()));
  } else if (value.isDevice()) {
    return add_device(value.toDevice());
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

bool SignatureBuilder::add_device(at::Device device) {
  check_device(device);
  mark(Mark::Device, static_cast<uint64_t>(device.type()));
  return true;
}

// Which one does not matter to the signature: the call carries the state drawn from it.
bool SignatureBuilder::add_generator(c10::GeneratorImpl* generator) {
  mark(Mark::Generator);
  draft_.generator = generator;
  return true;
}

void SignatureBuilder::add_string(std::string_view text) {
  mark(Mark::String, text.size());
  for (size_t i = 0; i < text.size(); i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, std::min(sizeof(word), text.size() - i));
    words().push_back(word);
  }
}

// Eager refuses calls whose written tensor overlaps another argument, each op in its own way.
void SignatureBuilder::add_overlaps() {
  const auto& refs = draft_.bindings.tensors;
  for (const uint32_t written : written_) {
    if (refs[written].storage == nullptr) continue;
    for (size_t other = 0; other < refs.size(); ++other) {
      if (other == written || refs[other].storage != refs[written].storage) continue;
      const at::MemOverlapStatus status =
          at::get_overlap_status(draft_.tensors[written], draft_.tensors[other]);
      if (status == at::MemOverlapStatus::No) continue;
      mark(Mark::Overlap,
           static_cast<uint64_t>(status) | uint64_t{written} << 8U | uint64_t{other} << 28U);
    }
  }
}

SignatureResult build_signature(const OpInfo& op, c10::ArrayRef<c10::IValue> args, Draft& draft) {
  SignatureBuilder builder(op, draft);
  for (const c10::IValue& argument : args) {
    if (!builder.add_boxed(argument)) return SignatureResult::Foreign;
  }
  builder.finish();
  return SignatureResult::Ok;
}

}  // namespace trireme::record
