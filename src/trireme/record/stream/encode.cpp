// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/stream/encode.h"

#include <ATen/core/jit_type.h>

#include <cstring>

#include "trireme/record/stream/format.h"
#include "trireme/record/stream/global_state.h"
#include "trireme/record/stream/strided.h"

namespace trireme::record::stream {
namespace {

using flatbuffers::Offset;
using flatbuffers::Vector;

wire::ListKind list_kind(const c10::TypePtr& element) {
  switch (element->kind()) {
    case c10::TypeKind::IntType:
      return wire::ListKind::Int;
    case c10::TypeKind::SymIntType:
      return wire::ListKind::SymInt;
    case c10::TypeKind::FloatType:
      return wire::ListKind::Double;
    case c10::TypeKind::BoolType:
      return wire::ListKind::Bool;
    case c10::TypeKind::ComplexType:
      return wire::ListKind::Complex;
    case c10::TypeKind::NumberType:
      return wire::ListKind::Number;
    case c10::TypeKind::StringType:
      return wire::ListKind::String;
    case c10::TypeKind::OptionalType: {
      const auto inner = element->expectRef<c10::OptionalType>().getElementType()->kind();
      if (inner == c10::TypeKind::IntType || inner == c10::TypeKind::SymIntType)
        return wire::ListKind::OptionalInt;
      if (inner == c10::TypeKind::FloatType) return wire::ListKind::OptionalDouble;
      return wire::ListKind::Any;
    }
    default:
      return wire::ListKind::Any;
  }
}

}  // namespace

Offset<wire::Geometry> Encoder::geometry(const Geometry& geometry, int64_t offset) {
  if (geometry.dtype == c10::ScalarType::Undefined) return wire::CreateGeometry(to_, 0, 0, 0, -1);
  const auto sizes = to_.CreateVector(geometry.sizes().data(), geometry.sizes().size());
  const auto strides = to_.CreateVector(geometry.strides().data(), geometry.strides().size());
  return wire::CreateGeometry(to_, sizes, strides, offset, static_cast<int8_t>(geometry.dtype),
                              geometry.conj, geometry.neg, geometry.wrapped_number);
}

Offset<wire::Payload> Encoder::payload(const std::byte* data, const Geometry& geometry) {
  const uint64_t length = payload_bytes(geometry);
  if (length > kInlineBytes) {
    pending_.push_back({data, geometry});
    return wire::CreatePayload(to_, length);
  }
  uint8_t* to = nullptr;
  const auto bytes = to_.CreateUninitializedVector(static_cast<size_t>(length), 1, &to);
  for_each_run(geometry.sizes(), geometry.strides(), c10::elementSize(geometry.dtype),
               [&](int64_t at, size_t size) {
                 std::memcpy(to, data + at, size);
                 to += size;
                 return true;
               });
  return wire::CreatePayload(to_, length, Offset<Vector<uint8_t>>(bytes));
}

Offset<wire::Value> Encoder::host_tensor(const at::Tensor& tensor) {
  const Geometry from = geometry_of(*tensor.unsafeGetTensorImpl());
  Geometry dense = from;
  int64_t stride = 1;
  for (size_t i = dense.dims.size(); i > 0; --i) {
    dense.dims.stride_at_unchecked(i - 1) = stride;
    stride *= std::max<int64_t>(dense.dims.size_at_unchecked(i - 1), 1);
  }
  const auto bytes = payload(static_cast<const std::byte*>(tensor.const_data_ptr()), from);
  const auto shape = geometry(dense, 0);
  wire::ValueBuilder value(to_);
  value.add_kind(wire::ValueKind::HostTensor);
  value.add_geometry(shape);
  value.add_payload(bytes);
  return value.Finish();
}

Offset<wire::Value> Encoder::value(const c10::IValue& value) {
  using Kind = wire::ValueKind;
  constexpr auto kAny = wire::ListKind::Any;
  if (value.isNone()) return wire::CreateValue(to_, Kind::None);
  if (value.isBool()) return wire::CreateValue(to_, Kind::Bool, kAny, value.toBool() ? 1 : 0);
  if (value.isInt()) return wire::CreateValue(to_, Kind::Int, kAny, value.toInt());
  if (value.isDouble()) return wire::CreateValue(to_, Kind::Double, kAny, 0, value.toDouble());
  if (value.isComplexDouble()) {
    const auto number = value.toComplexDouble();
    return wire::CreateValue(to_, Kind::Complex, kAny, 0, number.real(), number.imag());
  }
  if (value.isString()) {
    const auto text = to_.CreateString(value.toStringRef());
    return wire::CreateValue(to_, Kind::String, kAny, 0, 0, 0, text);
  }
  if (value.isDevice()) return wire::CreateValue(to_, Kind::CpuDevice);
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    if (tensor.defined() && tensor.device().is_cpu() && tensor.layout() == at::kStrided)
      return host_tensor(tensor);
    return wire::CreateValue(to_, Kind::Undefined);
  }
  if (value.isList()) {
    const auto list = value.toList();
    std::vector<Offset<wire::Value>> items;
    items.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) items.push_back(this->value(list.get(i)));
    const auto all = to_.CreateVector(items);
    return wire::CreateValue(to_, Kind::List, list_kind(list.elementType()), 0, 0, 0, 0, all);
  }
  return wire::CreateValue(to_, Kind::Undefined);
}

Offset<wire::Slot> Encoder::slot(const ArgSlot& slot) {
  Offset<wire::Value> constant;
  if (slot.kind == ArgSlot::Kind::Constant && !slot.constant.isNone())
    constant = value(slot.constant);
  std::vector<Offset<wire::Slot>> items;
  for (const ArgSlot& item : slot.items) items.push_back(this->slot(item));
  Offset<Vector<Offset<wire::Slot>>> all;
  if (!items.empty()) all = to_.CreateVector(items);
  static_assert(static_cast<int>(ArgSlot::Kind::NumberList) ==
                static_cast<int>(wire::SlotKind::NumberList));
  return wire::CreateSlot(to_, static_cast<wire::SlotKind>(slot.kind), constant, all,
                          slot.optional_items);
}

Offset<wire::Result> Encoder::result(const CallForm& form) {
  static_assert(static_cast<int>(OutputSlot::Kind::Fresh) ==
                static_cast<int>(wire::OutputKind::Fresh));
  std::vector<Offset<wire::Output>> outputs;
  for (const OutputSlot& slot : form.outputs) {
    Offset<wire::Geometry> shape;
    if (slot.kind == OutputSlot::Kind::ArgStorage || slot.kind == OutputSlot::Kind::Fresh) {
      shape = geometry(slot.geometry, slot.geometry.offset);
    }
    outputs.push_back(
        wire::CreateOutput(to_, static_cast<wire::OutputKind>(slot.kind), slot.index, shape));
  }
  std::vector<Offset<wire::Update>> updates;
  for (const ArgUpdate& update : form.updates) {
    const auto shape = geometry(update.geometry, update.geometry.offset);
    updates.push_back(wire::CreateUpdate(to_, update.tensor, shape, update.nbytes));
  }
  std::vector<wire::Return> returns;
  for (const ReturnSlot& item : form.returns) returns.emplace_back(item.list, item.count);
  const std::vector<uint64_t> nbytes(form.fresh_nbytes.begin(), form.fresh_nbytes.end());
  const auto all_returns = to_.CreateVectorOfStructs(returns);
  const auto all_outputs = to_.CreateVector(outputs);
  const auto all_nbytes = to_.CreateVector(nbytes);
  const auto all_updates = to_.CreateVector(updates);
  return wire::CreateResult(to_, all_returns, all_outputs, all_nbytes, all_updates);
}

Offset<wire::Form> Encoder::form(uint32_t id, const CallForm& form) {
  const auto op = to_.CreateString(form.op->name);
  std::vector<Offset<wire::Slot>> args;
  for (const ArgSlot& item : form.args) args.push_back(slot(item));
  std::vector<Offset<wire::Geometry>> tensors;
  for (const Geometry& item : form.tensors) tensors.push_back(geometry(item, item.offset));
  Offset<wire::Result> outcome;
  if (form.complete) outcome = result(form);
  const auto all_args = to_.CreateVector(args);
  const auto all_tensors = to_.CreateVector(tensors);
  const GlobalState state = GlobalState::unpack(form.words.empty() ? 0 : form.words[0]);
  return wire::CreateForm(to_, id, op, all_args, all_tensors, outcome,
                          static_cast<int8_t>(state.default_dtype), form.grad_mode,
                          state.deterministic, state.fill_uninitialized);
}

Offset<wire::Call> Encoder::call(const Call& call, uint32_t form) {
  std::vector<wire::TensorRef> tensors;
  for (const TensorRef& ref : call.bindings.tensors) {
    tensors.emplace_back(ref.storage == nullptr ? 0 : ref.storage->id, ref.offset);
  }
  std::vector<Offset<wire::Value>> values;
  for (const auto& item : call.bindings.values) values.push_back(value(item));
  std::vector<uint64_t> fresh;
  for (const VirtualStorage* storage : call.fresh) fresh.push_back(storage->id);
  Offset<Vector<const wire::TensorRef*>> all_tensors;
  Offset<Vector<Offset<wire::Value>>> all_values;
  Offset<Vector<uint64_t>> all_fresh;
  if (!tensors.empty()) all_tensors = to_.CreateVectorOfStructs(tensors);
  if (!values.empty()) all_values = to_.CreateVector(values);
  if (!fresh.empty()) all_fresh = to_.CreateVector(fresh);
  const bool random = call.form->op->random;
  static_assert(static_cast<int>(Phase::Backward) == static_cast<int>(wire::CallPhase::Backward));
  return wire::CreateCall(to_, call.number, form, call.site,
                          static_cast<wire::CallPhase>(call.phase), call.completion != nullptr,
                          all_tensors, all_values, all_fresh, random ? call.random.seed : 0,
                          random ? call.random.offset : 0, call.autograd_sequence,
                          call.autograd_thread, static_cast<uint32_t>(call.threads));
}

}  // namespace trireme::record::stream
