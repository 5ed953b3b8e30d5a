// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/lowering.h"

#include "trireme/graph/build/loop.h"

namespace trireme::graph {
namespace {

template <class T>
const T& get(const OpCall& call, size_t arg, const char* kind) {
  if (arg < call.args.size()) {
    if (const T* value = std::get_if<T>(&call.args[arg])) return *value;
  }
  decline("argument " + std::to_string(arg) + " is no " + kind);
}

}  // namespace

void decline(const std::string& why) { throw Declined(why); }

bool Lowering::given(size_t arg) const {
  if (arg >= call_.args.size()) return false;
  if (const auto* tensor = std::get_if<Tensor>(&call_.args[arg])) return tensor->defined();
  return !std::holds_alternative<None>(call_.args[arg]);
}

const Tensor& Lowering::tensor(size_t arg) const { return get<Tensor>(call_, arg, "tensor"); }

std::span<const Tensor> Lowering::tensors(size_t arg) const {
  return get<std::vector<Tensor>>(call_, arg, "list of tensors");
}

const Number& Lowering::number(size_t arg) const { return get<Number>(call_, arg, "number"); }

std::span<const Number> Lowering::numbers(size_t arg) const {
  return get<std::vector<Number>>(call_, arg, "list of numbers");
}

bool Lowering::flag(size_t arg) const { return get<bool>(call_, arg, "bool"); }

std::vector<bool> Lowering::flags(size_t arg) const {
  return get<std::vector<bool>>(call_, arg, "list of bools");
}

const Extent& Lowering::extent(size_t arg) const { return get<Extent>(call_, arg, "int"); }
const Extents& Lowering::extents(size_t arg) const {
  return get<Extents>(call_, arg, "list of ints");
}

int64_t Lowering::integer(size_t arg) const {
  const auto value = extent(arg).constant();
  if (!value) decline("argument " + std::to_string(arg) + " varies");
  return *value;
}

Extent Lowering::place(size_t arg, const Extent& size) {
  const Extent& given = extent(arg);
  const auto value = given.constant();
  Extent at = value && *value < 0 ? size + *value : given;
  builder_.guard_natural(at);
  return at;
}

std::vector<int64_t> Lowering::integers(size_t arg) const {
  if (arg < call_.args.size() && std::holds_alternative<Extent>(call_.args[arg])) {
    return {integer(arg)};
  }
  std::vector<int64_t> values;
  for (const Extent& item : extents(arg)) {
    const auto value = item.constant();
    if (!value) decline("argument " + std::to_string(arg) + " varies");
    values.push_back(*value);
  }
  return values;
}

std::optional<DType> Lowering::dtype(size_t arg) const {
  if (arg >= call_.args.size()) return std::nullopt;
  const auto* value = std::get_if<DType>(&call_.args[arg]);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::string_view Lowering::text(size_t arg) const { return get<std::string>(call_, arg, "string"); }

double Lowering::fixed(const Number& number) {
  if (number.varies) decline("a number that varies");
  if (is_complex(number.dtype)) decline("a complex number");
  builder_.guard(number);
  return number.dtype == DType::Float64 ? number.real : static_cast<double>(number.integer);
}

Tensor Lowering::temporary(DType dtype, const Extents& sizes) {
  Tensor result;
  result.dtype = dtype;
  const View view = View::row_major(sizes);
  result.sizes = view.sizes;
  result.strides = view.strides;
  result.storage = builder_.add_storage(GraphBuilder::Origin::Inside,
                                        product(sizes) * static_cast<int64_t>(size_of(dtype)));
  return result;
}

Tensor Lowering::materialise(const Tensor& tensor, DType dtype) {
  Tensor result = temporary(dtype, tensor.sizes);
  copy(*this, tensor, result);
  return result;
}

Tensor Lowering::plain(const Tensor& tensor) {
  if (!tensor.conj && !tensor.neg && !tensor.host) return tensor;
  return materialise(tensor, tensor.dtype);
}

}  // namespace trireme::graph
