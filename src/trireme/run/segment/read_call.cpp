// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/read_call.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include "trireme/record/form_shape.h"
#include "trireme/record/stream/global_state.h"
#include "trireme/run/segment/recorded_call.h"

namespace trireme::run {
namespace {

using graph::DType;
using graph::Extent;
using graph::GraphBuilder;
using record::ArgSlot;
using record::CallForm;
using record::OutputSlot;

// Thrown within this file: the IR cannot say the call.
class Refused : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

graph::Extents extents(c10::IntArrayRef values) { return {values.begin(), values.end()}; }

DType require_dtype(c10::ScalarType dtype) {
  const auto known = graph_dtype(dtype);
  if (!known) throw Refused(std::string("elements of type ") + c10::toString(dtype));
  return *known;
}

graph::Number plain_number(const c10::Scalar& scalar) {
  graph::Number number;
  if (scalar.isBoolean()) {
    number.dtype = DType::Bool;
    number.integer = scalar.toBool() ? 1 : 0;
  } else if (scalar.isIntegral(/*includeBool=*/false)) {
    number.integer = scalar.toLong();
  } else if (scalar.isComplex()) {
    number.dtype = DType::Complex128;
    number.real = scalar.toComplexDouble().real();
    number.imag = scalar.toComplexDouble().imag();
  } else {
    number.dtype = DType::Float64;
    number.real = scalar.toDouble();
  }
  return number;
}

c10::TypePtr unwrap_optional(c10::TypePtr type) {
  if (type->kind() == c10::TypeKind::OptionalType) {
    return type->expectRef<c10::OptionalType>().getElementType();
  }
  return type;
}

// A constant argument, by its type in the schema.
graph::Argument constant_argument(const c10::IValue& value, const c10::Argument& argument) {
  if (value.isNone()) return graph::None();
  const c10::TypePtr type = unwrap_optional(argument.real_type());
  switch (type->kind()) {
    case c10::TypeKind::ScalarTypeType:
      return require_dtype(static_cast<c10::ScalarType>(value.toInt()));
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType:
    case c10::TypeKind::DeviceObjType:
    case c10::TypeKind::GeneratorType:
      return graph::None();
    case c10::TypeKind::NumberType:
    case c10::TypeKind::FloatType:
      return plain_number(value.toScalar());
    case c10::TypeKind::ListType:
      break;
    default:
      if (value.isBool()) return value.toBool();
      if (value.isInt()) return Extent(value.toInt());
      if (value.isString()) return value.toStringRef();
      throw Refused("an argument of type " + type->str());
  }
  if (value.isBoolList()) {
    const auto list = value.toBoolList();
    return std::vector<bool>(list.begin(), list.end());
  }
  if (value.isIntList()) return extents(value.toIntVector());
  if (value.isDoubleList() || value.isList()) {
    std::vector<graph::Number> numbers;
    for (const c10::IValue& item : value.toListRef()) {
      if (!item.isScalar()) throw Refused("a list of type " + type->str());
      numbers.push_back(plain_number(item.toScalar()));
    }
    return numbers;
  }
  throw Refused("an argument of type " + type->str());
}

}  // namespace

std::optional<DType> graph_dtype(c10::ScalarType dtype) {
  switch (dtype) {
    case c10::ScalarType::Bool:
      return DType::Bool;
    case c10::ScalarType::Byte:
      return DType::UInt8;
    case c10::ScalarType::Char:
      return DType::Int8;
    case c10::ScalarType::Short:
      return DType::Int16;
    case c10::ScalarType::Int:
      return DType::Int32;
    case c10::ScalarType::Long:
      return DType::Int64;
    case c10::ScalarType::Half:
      return DType::Float16;
    case c10::ScalarType::BFloat16:
      return DType::BFloat16;
    case c10::ScalarType::Float:
      return DType::Float32;
    case c10::ScalarType::Double:
      return DType::Float64;
    case c10::ScalarType::ComplexFloat:
      return DType::Complex64;
    case c10::ScalarType::ComplexDouble:
      return DType::Complex128;
    default:
      return std::nullopt;
  }
}

graph::Number number_value(const c10::IValue& value) {
  return plain_number(value.isTensor() ? value.toTensor().item() : value.toScalar());
}

graph::Number number_at(const SegmentLog& log, const NumberSource& source) {
  const LoggedCall& call = log.calls()[source.call];
  if (source.kind == NumberSource::Kind::Value) return number_value(call.values[source.index]);
  graph::Number number;
  number.integer = record::shape_of(*call.form).numbers[source.index];
  return number;
}

// Walks the form's argument slots along with the call's bindings, and its numbers: in the order of
// record/form_shape.h.
class CallReader::ArgumentReader {
 public:
  ArgumentReader(CallReader& reader, uint32_t index)
      : reader_(reader),
        index_(index),
        call_(reader.log_.calls()[index]),
        position_(reader.first_number_[index]) {}

  void read(graph::OpCall& to) {
    const auto& schema = call_.form->op->handle.schema().arguments();
    for (size_t i = 0; i < call_.form->args.size(); ++i) {
      to.args.push_back(argument(call_.form->args[i], schema[i]));
      to.written.push_back(call_.form->op->args[i].written);
    }
    for (const OutputSlot& slot : call_.form->outputs) to.outputs.push_back(output(slot));
  }

 private:
  graph::Extent next_extent(int64_t value) { return reader_.extent(position_++, value); }

  graph::Tensor next_tensor() {
    const size_t i = tensors_.size();
    const LoggedTensor& ref = call_.tensors[i];
    const record::Geometry& geometry = call_.form->tensors[i];
    if (ref.storage == kNoLogId) {
      tensors_.emplace_back();
    } else {
      const size_t offset = reader_.first_number_[index_ + 1] - call_.tensors.size() + i;
      tensors_.push_back(
          reader_.tensor(geometry, ref.storage, position_, reader_.extent(offset, ref.offset)));
    }
    position_ += 2 * geometry.sizes().size();
    return tensors_.back();
  }

  graph::Tensor output(const OutputSlot& slot) {
    switch (slot.kind) {
      case OutputSlot::Kind::Undefined:
        return {};
      case OutputSlot::Kind::Arg:
        return tensors_[slot.index];
      case OutputSlot::Kind::ArgStorage:
        throw Refused("it returns a view");
      case OutputSlot::Kind::Fresh:
        break;
    }
    const size_t sizes = position_;
    position_ += 2 * slot.geometry.sizes().size();
    return reader_.tensor(slot.geometry, call_.fresh[slot.index], sizes,
                          next_extent(slot.geometry.offset));
  }

  graph::Number next_number() {
    const uint32_t value = next_value_++;
    const size_t flat = reader_.first_value_[index_] + value;
    return reader_.number({index_, value, NumberSource::Kind::Value},
                          !reader_.varies_.empty() && reader_.varies_[flat]);
  }

  graph::Argument argument(const ArgSlot& slot, const c10::Argument& schema) {
    switch (slot.kind) {
      case ArgSlot::Kind::Constant:
        return constant(slot.constant, schema);
      case ArgSlot::Kind::Tensor:
        return next_tensor();
      case ArgSlot::Kind::HostTensor:
        return host_tensor();
      case ArgSlot::Kind::TensorList: {
        std::vector<graph::Tensor> list;
        for (const ArgSlot& item : slot.items) list.push_back(list_item(item));
        return list;
      }
      case ArgSlot::Kind::Number:
        return next_number();
      case ArgSlot::Kind::NumberList: {
        std::vector<graph::Number> list;
        for (const ArgSlot& item : slot.items) {
          if (item.kind != ArgSlot::Kind::Number) throw Refused("a list with a None");
          list.push_back(next_number());
        }
        return list;
      }
    }
    throw Refused("an argument of an unknown kind");
  }

  graph::Argument constant(const c10::IValue& value, const c10::Argument& schema) {
    graph::Argument plain = constant_argument(value, schema);
    if (record::names_a_kind(schema)) return plain;
    if (auto* extent = std::get_if<graph::Extent>(&plain)) {
      *extent = next_extent(value.toInt());
    } else if (auto* list = std::get_if<graph::Extents>(&plain)) {
      for (graph::Extent& item : *list) item = next_extent(item.constant_part());
    } else if (auto* number = std::get_if<graph::Number>(&plain); number && value.isInt()) {
      const auto index = static_cast<uint32_t>(position_ - reader_.first_number_[index_]);
      if (!next_extent(number->integer).is_constant()) {
        *number = reader_.number({index_, index, NumberSource::Kind::Integer}, /*varies=*/true);
      }
    } else if (auto* numbers = std::get_if<std::vector<graph::Number>>(&plain)) {
      for (const graph::Number& item : *numbers) {
        if (item.dtype != DType::Int64) continue;
        if (!next_extent(item.integer).is_constant()) throw Refused("a list of integers that vary");
      }
    }
    return plain;
  }

  graph::Tensor list_item(const ArgSlot& item) {
    if (item.kind == ArgSlot::Kind::Tensor) return next_tensor();
    if (item.kind == ArgSlot::Kind::HostTensor) return host_tensor();
    return {};
  }

  graph::Tensor host_tensor() {
    const c10::IValue& value = call_.values[next_value_];
    if (!value.isTensor()) {
      graph::Tensor tensor;
      tensor.wrapped = true;
      tensor.host = next_number();
      tensor.dtype = tensor.host->dtype;
      return tensor;
    }
    const at::Tensor& host = value.toTensor();
    if (!host.defined()) {
      ++next_value_;
      return {};
    }
    if (host.numel() != 1) throw Refused("a CPU tensor of several elements");
    graph::Tensor tensor;
    tensor.dtype = require_dtype(host.scalar_type());
    tensor.sizes = extents(host.sizes());
    tensor.strides = extents(host.strides());
    tensor.wrapped = host.unsafeGetTensorImpl()->is_wrapped_number();
    tensor.host = next_number();
    return tensor;
  }

  CallReader& reader_;
  uint32_t index_;
  const LoggedCall& call_;
  size_t position_;                     // of the next number
  std::vector<graph::Tensor> tensors_;  // the tensor arguments so far
  uint32_t next_value_ = 0;
};

CallReader::CallReader(graph::GraphBuilder& builder, const SegmentLog& log,
                       std::vector<bool> varies, const SymbolFit* fit)
    : builder_(builder),
      log_(log),
      varies_(std::move(varies)),
      storages_(log.storages().size(), graph::kNoStorage) {
  size_t value = 0;
  size_t number = 0;
  for (const LoggedCall& call : log.calls()) {
    first_value_.push_back(value);
    first_number_.push_back(number);
    value += call.values.size();
    number += record::shape_of(*call.form).numbers.size() + call.tensors.size();
  }
  first_number_.push_back(number);
  if (fit == nullptr) return;
  varying_.resize(number + log.storages().size());
  for (const auto& [position, extent] : fit->varying) varying_[position] = &extent;
}

std::optional<graph::OpCall> CallReader::read(uint32_t index) {
  const CallForm& form = *log_.calls()[index].form;
  try {
    if (!form.complete) throw Refused("its outputs depend on data");
    if (!form.updates.empty()) throw Refused("it resizes an argument");
    graph::OpCall result;
    result.name = form.op->name;
    result.number = index;
    result.call = std::make_shared<RecordedCall>(form.op->name);
    const auto state = record::stream::GlobalState::unpack(form.words.empty() ? 0 : form.words[0]);
    result.default_dtype = require_dtype(state.default_dtype);
    if (form.op->random) {
      randoms_.push_back(index);
      result.random = builder_.add_random();
    }
    ArgumentReader(*this, index).read(result);
    return result;
  } catch (const Refused& reason) {
    refusal_ = reason.what();
    return std::nullopt;
  }
}

graph::Extent CallReader::extent(size_t position, int64_t value) const {
  if (varying_.empty() || varying_[position] == nullptr) return value;
  return *varying_[position];
}

graph::StorageId CallReader::number_of(LogId id) {
  if (storages_[id] == graph::kNoStorage) {
    const LoggedStorage& storage = log_.storages()[id];
    storages_[id] = builder_.add_storage(
        storage.fresh ? GraphBuilder::Origin::Inside : GraphBuilder::Origin::Outside,
        extent(first_number_.back() + id, static_cast<int64_t>(storage.nbytes)));
  }
  return storages_[id];
}

graph::Tensor CallReader::tensor(const record::Geometry& geometry, LogId storage, size_t sizes,
                                 graph::Extent offset) {
  graph::Tensor result;
  result.storage = number_of(storage);
  result.dtype = require_dtype(geometry.dtype);
  for (const int64_t size : geometry.sizes()) result.sizes.push_back(extent(sizes++, size));
  for (const int64_t stride : geometry.strides()) result.strides.push_back(extent(sizes++, stride));
  result.offset = std::move(offset);
  result.conj = geometry.conj;
  result.neg = geometry.neg;
  result.wrapped = geometry.wrapped_number;
  return result;
}

graph::Number CallReader::number(const NumberSource& source, bool varies) {
  graph::Number number = number_at(log_, source);
  number.input = builder_.add_number(number.dtype);
  number.varies = varies;
  numbers_.push_back(source);
  return number;
}

}  // namespace trireme::run
