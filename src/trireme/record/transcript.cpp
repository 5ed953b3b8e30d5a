// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/transcript.h"

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <sstream>

namespace trireme::record {
namespace {

constexpr size_t kMostItems = 8;  // of a list of numbers

const char* dtype_text(c10::ScalarType dtype) {
  using c10::ScalarType;
  switch (dtype) {
    case ScalarType::Float:
      return "f32";
    case ScalarType::Double:
      return "f64";
    case ScalarType::Half:
      return "f16";
    case ScalarType::BFloat16:
      return "bf16";
    case ScalarType::Long:
      return "i64";
    case ScalarType::Int:
      return "i32";
    case ScalarType::Short:
      return "i16";
    case ScalarType::Char:
      return "i8";
    case ScalarType::Byte:
      return "u8";
    case ScalarType::Bool:
      return "bool";
    case ScalarType::ComplexFloat:
      return "c64";
    case ScalarType::ComplexDouble:
      return "c128";
    default:
      return c10::toString(dtype);
  }
}

void append_product(std::string& to, c10::IntArrayRef numbers) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) to += 'x';
    to += std::to_string(numbers[i]);
  }
}

bool contiguous(const Geometry& geometry) {
  int64_t expected = 1;
  for (size_t i = geometry.sizes().size(); i > 0; --i) {
    if (geometry.sizes()[i - 1] != 1 && geometry.strides()[i - 1] != expected) return false;
    expected *= geometry.sizes()[i - 1];
  }
  return true;
}

void append_geometry(std::string& to, const Geometry& geometry, int64_t offset) {
  to += dtype_text(geometry.dtype);
  if (!geometry.sizes().empty()) to += ' ';
  append_product(to, geometry.sizes());
  if (!contiguous(geometry)) {
    to += " strides ";
    append_product(to, geometry.strides());
  }
  if (offset != 0) to += " +" + std::to_string(offset);
  if (geometry.conj) to += " conj";
  if (geometry.neg) to += " neg";
}

void append_tensor(std::string& to, const VirtualStorage* storage, const Geometry& geometry,
                   int64_t offset) {
  if (storage == nullptr) {
    to += "undefined";
    return;
  }
  to += '%' + std::to_string(storage->id) + '[';
  append_geometry(to, geometry, offset);
  to += ']';
}

void append_double(std::string& to, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  to += text;
  if (std::isfinite(value) && std::string_view(text).find_first_of(".e") == std::string_view::npos)
    to += ".0";
}

void append_value(std::string& to, const c10::IValue& value) {
  if (value.isNone()) {
    to += "None";
  } else if (value.isBool()) {
    to += value.toBool() ? "True" : "False";
  } else if (value.isInt()) {
    to += std::to_string(value.toInt());
  } else if (value.isDouble()) {
    append_double(to, value.toDouble());
  } else if (value.isComplexDouble()) {
    append_double(to, value.toComplexDouble().real());
    to += '+';
    append_double(to, value.toComplexDouble().imag());
    to += 'j';
  } else if (value.isString()) {
    to += '"' + value.toStringRef() + '"';
  } else if (value.isDevice()) {
    to += "device";
  } else if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    if (!tensor.defined()) {
      to += "undefined";
      return;
    }
    to += tensor.device().is_cpu() ? "cpu[" : "[";
    if (tensor.layout() == at::kStrided)
      append_geometry(to, geometry_of(*tensor.unsafeGetTensorImpl()), 0);
    to += ']';
  } else if (value.isList()) {
    const auto list = value.toList();
    to += '[';
    for (size_t i = 0; i < list.size(); ++i) {
      if (i > 0) to += ", ";
      if (i == kMostItems) {
        to += "... " + std::to_string(list.size()) + " in all";
        break;
      }
      append_value(to, list.get(i));
    }
    to += ']';
  } else {
    to += value.tagKind();
  }
}

// Arguments in order, from the form's slots and the call's bindings.
class ArgumentText {
 public:
  ArgumentText(const Call& call, std::string& to) : call_(call), form_(*call.form), to_(to) {}

  void append() {
    for (size_t i = 0; i < form_.args.size(); ++i) {
      if (i > 0) to_ += ", ";
      append(form_.args[i]);
    }
  }

 private:
  void append(const ArgSlot& slot) {
    switch (slot.kind) {
      case ArgSlot::Kind::Constant:
        append_value(to_, slot.constant);
        return;
      case ArgSlot::Kind::Tensor: {
        const TensorRef& ref = call_.bindings.tensors[tensor_];
        append_tensor(to_, ref.storage, form_.tensors[tensor_], ref.offset);
        ++tensor_;
        return;
      }
      case ArgSlot::Kind::HostTensor:
      case ArgSlot::Kind::Number:
        append_value(to_, call_.bindings.values[value_++]);
        return;
      case ArgSlot::Kind::TensorList:
      case ArgSlot::Kind::NumberList:
        to_ += '[';
        for (size_t i = 0; i < slot.items.size(); ++i) {
          if (i > 0) to_ += ", ";
          append(slot.items[i]);
        }
        to_ += ']';
        return;
    }
  }

  const Call& call_;
  const CallForm& form_;
  std::string& to_;
  size_t tensor_ = 0;
  size_t value_ = 0;
};

void append_outputs(std::string& to, const CallForm& form, const Bindings* bindings,
                    std::span<VirtualStorage* const> fresh) {
  if (form.outputs.empty()) return;
  to += " ->";
  bool first = true;
  for (const OutputSlot& slot : form.outputs) {
    to += first ? " " : ", ";
    first = false;
    switch (slot.kind) {
      case OutputSlot::Kind::Undefined:
        to += "undefined";
        break;
      case OutputSlot::Kind::Arg:
      case OutputSlot::Kind::ArgStorage:
        if (bindings != nullptr && slot.index < bindings->tensors.size() &&
            bindings->tensors[slot.index].storage != nullptr) {
          to += '%' + std::to_string(bindings->tensors[slot.index].storage->id);
        } else {
          to += "argument " + std::to_string(slot.index);
        }
        break;
      case OutputSlot::Kind::Fresh:
        append_tensor(to, slot.index < fresh.size() ? fresh[slot.index] : nullptr, slot.geometry,
                      slot.geometry.offset);
        break;
    }
  }
}

std::string numbered(uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%8" PRIu64 " ", number);
  return text;
}

const std::string kBlank(9, ' ');

}  // namespace

std::string LineMaker::call(const Call& call, bool awaited) const {
  const CallForm& form = *call.form;
  std::string line = numbered(call.number);
  line += call.phase == Phase::Forward    ? "forward  "
          : call.phase == Phase::Backward ? "backward "
                                          : "         ";
  line += form.op->name + '(';
  ArgumentText(call, line).append();
  line += ')';
  if (!awaited) append_outputs(line, form, &call.bindings, call.fresh);
  if (form.op->random) {
    line +=
        "  random " + std::to_string(call.random.seed) + "+" + std::to_string(call.random.offset);
  }
  if (awaited) line += "  awaited";
  const auto forward = forward_.find(call);
  // Autograd's own thread has no line; the forward call's says where it comes from.
  if (call.site != kUnknownSite || !forward) line += "  " + describe_(call.site);
  if (forward) {
    line += "  of call " + std::to_string(forward->number) + " (" + describe_(forward->site) + ")";
  }
  return line;
}

std::string LineMaker::outputs(uint64_t number, const CallForm& form,
                               std::span<VirtualStorage* const> fresh) const {
  std::string line = kBlank + "call " + std::to_string(number) + " has run";
  append_outputs(line, form, nullptr, fresh);
  return line;
}

std::string LineMaker::returned(uint64_t number, std::span<const c10::IValue> results) const {
  std::string line = kBlank + "call " + std::to_string(number) + " returned ";
  for (size_t i = 0; i < results.size(); ++i) {
    if (i > 0) line += ", ";
    append_value(line, results[i]);
  }
  return line;
}

std::string LineMaker::failed(uint64_t number, std::string_view message) const {
  std::string line = kBlank + "call " + std::to_string(number) + " failed: ";
  line += message.substr(0, message.find('\n'));
  return line;
}

std::string LineMaker::moved(const char* what, const VirtualStorage& storage,
                             const Geometry& geometry, int64_t offset, const std::string& value,
                             const std::string& site) const {
  std::string line = kBlank + what + ' ';
  append_tensor(line, &storage, geometry, offset);
  if (!value.empty()) line += " = " + value;
  if (!site.empty()) line += "  " + site;
  return line;
}

std::string LineMaker::resized(const VirtualStorage& storage, size_t nbytes) const {
  return kBlank + "resized %" + std::to_string(storage.id) + " to " + std::to_string(nbytes) +
         " bytes";
}

}  // namespace trireme::record
