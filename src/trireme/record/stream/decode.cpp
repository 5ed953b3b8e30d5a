// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/stream/decode.h"
#include "trireme/record/call_form.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>

#include <cstring>

#include "trireme/record/stream/strided.h"

namespace trireme::record::stream {
namespace {

constexpr size_t kMostDimensions = 64;  // TensorIterator's own limit
constexpr __int128 kMostBytes = __int128{1} << 60U;
constexpr int kDeepestValue = 4;

std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

c10::ScalarType decode_dtype(int8_t number) {
  const auto dtype = static_cast<c10::ScalarType>(number);
  if (number < 0 || dtype >= c10::ScalarType::Undefined || c10::isQIntType(dtype)) {
    throw Invalid("dtype number " + std::to_string(number) + " is unknown or cannot be recorded");
  }
  c10::elementSize(dtype);  // throws for what has none
  return dtype;
}

template <class T>
c10::List<T> typed_list(const std::vector<c10::IValue>& items) {
  c10::List<T> list;
  list.reserve(items.size());
  for (const auto& item : items) list.push_back(item.to<T>());
  return list;
}

c10::impl::GenericList generic_list(c10::TypePtr type, const std::vector<c10::IValue>& items) {
  c10::impl::GenericList list(std::move(type));
  list.reserve(items.size());
  for (const auto& item : items) list.push_back(item);
  return list;
}

c10::IValue decode_list(wire::ListKind kind, const std::vector<c10::IValue>& items) {
  const auto require = [&](auto&& good) {
    for (const auto& item : items) {
      if (!good(item)) throw Invalid("a list holds an item of another type");
    }
  };
  const auto number = [](const c10::IValue& item) { return item.isScalar(); };
  switch (kind) {
    case wire::ListKind::Any:
      require([](const c10::IValue& item) { return !item.isTensor(); });
      return generic_list(c10::AnyType::get(), items);
    case wire::ListKind::Int:
      require([](const c10::IValue& item) { return item.isInt(); });
      return typed_list<int64_t>(items);
    case wire::ListKind::SymInt:
      require([](const c10::IValue& item) { return item.isInt(); });
      return generic_list(c10::SymIntType::get(), items);
    case wire::ListKind::Double:
      require([](const c10::IValue& item) { return item.isDouble(); });
      return typed_list<double>(items);
    case wire::ListKind::Bool:
      require([](const c10::IValue& item) { return item.isBool(); });
      return typed_list<bool>(items);
    case wire::ListKind::Complex:
      require([](const c10::IValue& item) { return item.isComplexDouble(); });
      return typed_list<c10::complex<double>>(items);
    case wire::ListKind::Number:
      require(number);
      return generic_list(c10::NumberType::get(), items);
    case wire::ListKind::String:
      require([](const c10::IValue& item) { return item.isString(); });
      return typed_list<std::string>(items);
    case wire::ListKind::OptionalInt:
      require([](const c10::IValue& item) { return item.isInt() || item.isNone(); });
      return generic_list(c10::OptionalType::create(c10::IntType::get()), items);
    case wire::ListKind::OptionalDouble:
      require([](const c10::IValue& item) { return item.isDouble() || item.isNone(); });
      return generic_list(c10::OptionalType::create(c10::FloatType::get()), items);
  }
  throw Invalid("a list of an unknown kind");
}

at::Tensor decode_host_tensor(const wire::Value& value, const ValueContext& context) {
  const Geometry geometry = decode_geometry(value.geometry());
  if (geometry.dtype == c10::ScalarType::Undefined) return {};
  PayloadSource source(value.payload(), payload_bytes(geometry), context.unread, context.next);
  const at::AutoDispatchBelowADInplaceOrView below;
  at::Tensor tensor =
      at::empty(geometry.sizes(), at::TensorOptions().dtype(geometry.dtype).device(at::kCPU));
  const uint64_t bytes = source.left();
  if (bytes > 0) source.get(tensor.mutable_data_ptr(), bytes);
  if (geometry.conj) tensor.unsafeGetTensorImpl()->_set_conj(true);
  if (geometry.neg) tensor.unsafeGetTensorImpl()->_set_neg(true);
  if (geometry.wrapped_number) {
    if (tensor.dim() != 0) throw Invalid("a Python number with dimensions");
    tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  }
  return tensor;
}

c10::IValue decode_value(const wire::Value* value, const ValueContext& context, int depth) {
  if (value == nullptr) return {};
  switch (value->kind()) {
    case wire::ValueKind::None:
      return {};
    case wire::ValueKind::Undefined:
      return at::Tensor();
    case wire::ValueKind::Bool:
      return value->whole() != 0;
    case wire::ValueKind::Int:
      return value->whole();
    case wire::ValueKind::Double:
      return value->real();
    case wire::ValueKind::Complex:
      return c10::complex<double>(value->real(), value->imaginary());
    case wire::ValueKind::String:
      return text_of(value->text());
    case wire::ValueKind::CpuDevice:
      return c10::Device(c10::DeviceType::CPU);
    case wire::ValueKind::List: {
      if (depth >= kDeepestValue) throw Invalid("lists are nested too deeply");
      std::vector<c10::IValue> items;
      if (value->items() != nullptr) {
        for (const wire::Value* item : *value->items())
          items.push_back(decode_value(item, context, depth + 1));
      }
      return decode_list(value->list(), items);
    }
    case wire::ValueKind::HostTensor:
      return decode_host_tensor(*value, context);
  }
  throw Invalid("a value of an unknown kind");
}

// Numbers that kernels cast to an enumeration without asking.
void check_enumeration(const c10::Argument& argument, const c10::IValue& value) {
  if (!value.isInt()) return;
  c10::TypePtr type = argument.real_type();
  if (type->kind() == c10::TypeKind::OptionalType)
    type = type->expectRef<c10::OptionalType>().getElementType();
  const int64_t number = value.toInt();
  int64_t count = 0;
  switch (type->kind()) {
    case c10::TypeKind::ScalarTypeType:
      if (number < 0 || number > INT8_MAX) break;
      decode_dtype(static_cast<int8_t>(number));
      return;
    case c10::TypeKind::LayoutType:
      count = static_cast<int64_t>(c10::Layout::NumOptions);
      break;
    case c10::TypeKind::MemoryFormatType:
      count = static_cast<int64_t>(c10::MemoryFormat::NumOptions);
      break;
    default:
      return;
  }
  if (number < 0 || number >= count) {
    throw Invalid("argument " + argument.name() + " is " + std::to_string(number) +
                  ", which means nothing");
  }
}

class FormReader {
 public:
  FormReader(CallForm& form, const ValueContext& context) : form_(form), context_(context) {}

  void read(const wire::Form& from) {
    const auto* slots = from.args();
    const auto& infos = form_.op->args;
    if ((slots == nullptr ? 0 : slots->size()) != infos.size()) {
      throw Invalid(form_.op->name + " takes " + std::to_string(infos.size()) +
                    " arguments, not as many as are given");
    }
    for (size_t i = 0; i < infos.size(); ++i) {
      const auto& argument = form_.op->handle.schema().arguments()[i];
      form_.args.push_back(read_slot(*slots->Get(static_cast<uint32_t>(i)), infos[i], argument));
    }
    const auto* tensors = from.tensors();
    if ((tensors == nullptr ? 0 : tensors->size()) != form_.written.size()) {
      throw Invalid(form_.op->name + " has not as many tensor arguments as geometries");
    }
    for (size_t i = 0; i < form_.written.size(); ++i) {
      form_.tensors.push_back(decode_geometry(tensors->Get(static_cast<uint32_t>(i))));
    }
  }

 private:
  ArgSlot read_slot(const wire::Slot& from, const ArgInfo& info, const c10::Argument& argument) {
    using Kind = wire::SlotKind;
    ArgSlot slot{.kind = static_cast<ArgSlot::Kind>(from.kind())};
    switch (from.kind()) {
      case Kind::Constant:
        slot.constant = decode_value(from.constant(), context_, 0);
        check_constant(slot.constant, info, argument);
        return slot;
      case Kind::Tensor:
      case Kind::HostTensor:
        require(info.kind == ArgKind::Tensor, argument);
        if (from.kind() == Kind::Tensor) form_.written.push_back(info.written);
        return slot;
      case Kind::TensorList:
        require(info.kind == ArgKind::TensorList, argument);
        slot.optional_items = from.optional_items();
        read_items(from, info, slot, argument);
        return slot;
      case Kind::Number:
        require(info.kind == ArgKind::Number, argument);
        return slot;
      case Kind::NumberList:
        require(info.kind == ArgKind::NumberList, argument);
        slot.item_type = list_item_type(argument);
        for (const wire::Slot* item : items_of(from)) {
          require(item->kind() == Kind::Number, argument);
          slot.items.push_back({.kind = ArgSlot::Kind::Number});
        }
        return slot;
    }
    throw Invalid("an argument of an unknown kind");
  }

  static std::vector<const wire::Slot*> items_of(const wire::Slot& from) {
    if (from.items() == nullptr) return {};
    return {from.items()->begin(), from.items()->end()};
  }

  void read_items(const wire::Slot& from, const ArgInfo& info, ArgSlot& slot,
                  const c10::Argument& argument) {
    for (const wire::Slot* item : items_of(from)) {
      const bool none = item->kind() == wire::SlotKind::Constant && item->constant() == nullptr;
      require(none || item->kind() == wire::SlotKind::Tensor ||
                  item->kind() == wire::SlotKind::HostTensor,
              argument);
      if (item->kind() == wire::SlotKind::Tensor) form_.written.push_back(info.written);
      slot.items.push_back({.kind = static_cast<ArgSlot::Kind>(item->kind())});
    }
  }

  void require(bool good, const c10::Argument& argument) const {
    if (!good)
      throw Invalid(form_.op->name + ": argument " + argument.name() + " is of the wrong kind");
  }

  void check_constant(const c10::IValue& value, const ArgInfo& info,
                      const c10::Argument& argument) const {
    switch (info.kind) {
      case ArgKind::Tensor:
      case ArgKind::TensorList:
      case ArgKind::Generator:
        require(value.isNone(), argument);
        return;
      case ArgKind::Number:
        require(value.isNone() || value.isScalar(), argument);
        return;
      case ArgKind::NumberList:
        require(value.isNone() || value.isList(), argument);
        return;
      case ArgKind::Constant:
        require(!value.isTensor(), argument);
        check_enumeration(argument, value);
        return;
    }
  }

  CallForm& form_;
  const ValueContext& context_;
};

}  // namespace

PayloadSource::PayloadSource(const wire::Payload* payload, uint64_t expected, uint64_t unread,
                             NextChunk next)
    : next_(std::move(next)) {
  const uint64_t length = payload == nullptr ? 0 : payload->length();
  if (length != expected) {
    throw Invalid("data of " + std::to_string(length) + " bytes where " + std::to_string(expected) +
                  " belong");
  }
  if (payload != nullptr && payload->inline_bytes() != nullptr &&
      payload->inline_bytes()->size() > 0) {
    ready_ = {payload->inline_bytes()->data(), payload->inline_bytes()->size()};
    if (ready_.size() != length) throw Invalid("data that is not as long as it says");
  } else if (length > unread) {
    throw CutOff{};
  }
  left_ = length;
}

void PayloadSource::get(void* to, size_t size) {
  if (size > left_) throw Invalid("data ends early");
  left_ -= size;
  auto* bytes = static_cast<uint8_t*>(to);
  while (size > 0) {
    if (ready_.empty()) ready_ = next_();
    const size_t part = std::min(size, ready_.size());
    std::memcpy(bytes, ready_.data(), part);
    ready_ = ready_.subspan(part);
    bytes += part;
    size -= part;
  }
  if (left_ == 0 && !ready_.empty()) throw Invalid("data is longer than it says");
}

void PayloadSource::skip() {
  std::array<uint8_t, 4096> bin{};
  while (left_ > 0) get(bin.data(), std::min<uint64_t>(left_, bin.size()));
}

Geometry decode_geometry(const wire::Geometry* from) {
  Geometry geometry;
  if (from == nullptr) throw Invalid("a tensor without geometry");
  if (from->dtype() == -1) return geometry;
  geometry.dtype = decode_dtype(from->dtype());
  const size_t dims = from->sizes() == nullptr ? 0 : from->sizes()->size();
  if (dims != (from->strides() == nullptr ? 0 : from->strides()->size()) ||
      dims > kMostDimensions) {
    throw Invalid("a tensor's sizes and strides do not belong together");
  }
  c10::SmallVector<int64_t, 8> sizes(dims);
  c10::SmallVector<int64_t, 8> strides(dims);
  __int128 bytes = static_cast<__int128>(c10::elementSize(geometry.dtype));
  __int128 reach = 0;
  for (size_t i = 0; i < dims; ++i) {
    sizes[i] = from->sizes()->Get(static_cast<uint32_t>(i));
    strides[i] = from->strides()->Get(static_cast<uint32_t>(i));
    if (sizes[i] < 0 || strides[i] < 0) throw Invalid("a tensor has a negative size or stride");
    bytes *= std::max<int64_t>(sizes[i], 1);
    reach += static_cast<__int128>(std::max<int64_t>(sizes[i], 1)) * strides[i];
    if (bytes > kMostBytes || reach > kMostBytes) throw Invalid("a tensor is impossibly large");
  }
  geometry.offset = from->offset();
  if (geometry.offset < 0 || geometry.offset > static_cast<int64_t>(kMostBytes)) {
    throw Invalid("a tensor lies at an impossible offset");
  }
  geometry.dims.set_sizes(sizes);
  geometry.dims.set_strides(strides);
  geometry.conj = from->conj();
  geometry.neg = from->neg();
  geometry.wrapped_number = from->wrapped_number();
  if (geometry.conj && !c10::isComplexType(geometry.dtype))
    throw Invalid("a conjugated tensor that is not complex");
  if (geometry.wrapped_number && dims != 0) throw Invalid("a Python number with dimensions");
  return geometry;
}

void check_bounds(const Geometry& geometry, int64_t offset, size_t nbytes) {
  __int128 last = offset;
  for (size_t i = 0; i < geometry.dims.size(); ++i) {
    const int64_t size = geometry.sizes()[i];
    if (size == 0) return;
    last += static_cast<__int128>(size - 1) * geometry.strides()[i];
  }
  const __int128 needed = (last + 1) * static_cast<__int128>(c10::elementSize(geometry.dtype));
  if (offset < 0 || needed > static_cast<__int128>(nbytes)) {
    throw Invalid("a tensor reaches beyond its storage of " + std::to_string(nbytes) + " bytes");
  }
}

c10::IValue decode_value(const wire::Value* value, const ValueContext& context) {
  return decode_value(value, context, 0);
}

const OpInfo& decode_op(const flatbuffers::String* name) {
  const std::string full = text_of(name);
  const size_t space = full.find("::");
  const auto unknown = [&](const char* why) { throw Invalid("op \"" + full + "\" " + why); };
  if (space == std::string::npos) unknown("is no op");
  const size_t dot = full.find('.', space);
  const auto handle = c10::Dispatcher::singleton().findSchema(
      {full.substr(0, dot), dot == std::string::npos ? "" : full.substr(dot + 1)});
  if (!handle) unknown("is not known to this PyTorch");
  const OpInfo& op = op_info(*handle);
  if (op.route == Route::Opaque) unknown("is not one of PyTorch's own");
  if (handle->hasTag(at::Tag::inplace_view) || full == "aten::from_file")
    unknown("cannot be recorded");
  for (const auto& returned : handle->schema().returns()) {
    const auto* alias = returned.alias_info();
    if (alias != nullptr && !alias->isWrite()) unknown("is a view, which is not recorded");
  }
  if (!handle->hasKernelForDispatchKey(c10::DispatchKey::CPU) &&
      !handle->hasKernelForDispatchKey(c10::DispatchKey::CompositeExplicitAutograd) &&
      !handle->hasKernelForDispatchKey(c10::DispatchKey::CompositeExplicitAutogradNonFunctional)) {
    unknown("has no kernel for the CPU");
  }
  return op;
}

std::unique_ptr<CallForm> decode_form(const wire::Form& from, const ValueContext& context) {
  auto form = std::make_unique<CallForm>();
  form->op = &decode_op(from.op());
  form->grad_mode = from.grad_mode();
  FormReader(*form, context).read(from);
  if (from.result() != nullptr) {
    decode_result(from.result(), *form);
    form->complete = true;
  }
  return form;
}

void decode_result(const wire::Result* from, CallForm& form) {
  if (from == nullptr) throw Invalid(form.op->name + ": no description of its outputs");
  form.returns.clear();
  form.outputs.clear();
  form.fresh_nbytes.clear();
  form.updates.clear();
  const auto wrong = [&] { throw Invalid(form.op->name + ": a wrong description of its outputs"); };
  const auto& infos = form.op->returns;
  if ((from->returns() == nullptr ? 0 : from->returns()->size()) != infos.size()) wrong();
  uint64_t count = 0;
  for (size_t i = 0; i < infos.size(); ++i) {
    const wire::Return* item = from->returns()->Get(static_cast<uint32_t>(i));
    if (infos[i].kind == ReturnInfo::Kind::Other ||
        item->list() != (infos[i].kind == ReturnInfo::Kind::TensorList) ||
        (!item->list() && item->count() != 1)) {
      wrong();
    }
    form.returns.push_back({item->list(), item->count()});
    count += item->count();
  }
  if ((from->outputs() == nullptr ? 0 : from->outputs()->size()) != count) wrong();
  if (from->fresh_nbytes() != nullptr) {
    form.fresh_nbytes.assign(from->fresh_nbytes()->begin(), from->fresh_nbytes()->end());
  }
  if (count > 0) {
    for (const wire::Output* item : *from->outputs()) {
      OutputSlot slot{.kind = static_cast<OutputSlot::Kind>(item->kind()),
                      .index = item->index(),
                      .geometry = {}};
      if (item->kind() > wire::OutputKind::Fresh) wrong();
      const bool placed =
          slot.kind == OutputSlot::Kind::ArgStorage || slot.kind == OutputSlot::Kind::Fresh;
      if (placed) {
        slot.geometry = decode_geometry(item->geometry());
        if (slot.geometry.dtype == c10::ScalarType::Undefined) wrong();
      }
      if (slot.kind == OutputSlot::Kind::Fresh) {
        if (slot.index >= form.fresh_nbytes.size()) wrong();
        check_bounds(slot.geometry, slot.geometry.offset, form.fresh_nbytes[slot.index]);
      } else if (slot.kind != OutputSlot::Kind::Undefined && slot.index >= form.tensors.size()) {
        wrong();
      }
      form.outputs.push_back(std::move(slot));
    }
  }
  if (from->updates() == nullptr) return;
  for (const wire::Update* item : *from->updates()) {
    if (item->tensor() >= form.tensors.size() ||
        form.tensors[item->tensor()].dtype == c10::ScalarType::Undefined) {
      wrong();
    }
    form.updates.push_back({item->tensor(), decode_geometry(item->geometry()), item->nbytes()});
  }
}

namespace {

void check_slot(const ArgSlot& slot, c10::ArrayRef<c10::IValue> values, size_t& next) {
  if (slot.kind == ArgSlot::Kind::HostTensor || slot.kind == ArgSlot::Kind::Number) {
    if (next >= values.size()) throw Invalid("a call has too few values");
    const c10::IValue& value = values[next++];
    const bool host_tensor =
        slot.kind == ArgSlot::Kind::HostTensor && value.isTensor() && value.toTensor().defined();
    if (!value.isScalar() && !host_tensor) {
      throw Invalid("a call's value is of the wrong kind");
    }
  }
  for (const ArgSlot& item : slot.items) check_slot(item, values, next);
}

}  // namespace

void check_values(const CallForm& form, c10::ArrayRef<c10::IValue> values) {
  size_t next = 0;
  for (const ArgSlot& slot : form.args) check_slot(slot, values, next);
  if (next != values.size()) throw Invalid("a call has too many values");
}

}  // namespace trireme::record::stream
