// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/op_info.h"

#include <ATen/core/jit_type.h>
#include <torch/headeronly/core/enum_tag.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <string_view>
#include <unordered_map>

namespace trireme::record {
namespace {

using c10::TypeKind;

c10::TypePtr strip_optional(c10::TypePtr type) {
  if (type->kind() == TypeKind::OptionalType)
    return type->expectRef<c10::OptionalType>().getElementType();
  return type;
}

ArgKind kind_of(const c10::Argument& argument) {
  const c10::TypePtr type = strip_optional(argument.type());
  switch (type->kind()) {
    case TypeKind::TensorType:
      return ArgKind::Tensor;
    case TypeKind::NumberType:
    case TypeKind::FloatType:
      return ArgKind::Number;
    case TypeKind::GeneratorType:
      return ArgKind::Generator;
    case TypeKind::ListType: {
      const auto element = strip_optional(type->expectRef<c10::ListType>().getElementType());
      if (element->kind() == TypeKind::TensorType) return ArgKind::TensorList;
      if (element->kind() == TypeKind::NumberType || element->kind() == TypeKind::FloatType) {
        return ArgKind::NumberList;
      }
      return ArgKind::Constant;
    }
    default:
      return ArgKind::Constant;
  }
}

bool is_written(const c10::Argument& argument) {
  const auto* alias = argument.alias_info();
  return alias != nullptr && alias->isWrite();
}

// The argument that a return is, by its alias annotation.
int aliased_argument(const c10::FunctionSchema& schema, const c10::Argument& returned) {
  if (!is_written(returned)) return -1;
  const auto& names = returned.alias_info()->beforeSets();
  for (size_t i = 0; i < schema.arguments().size(); ++i) {
    const auto* alias = schema.arguments()[i].alias_info();
    if (alias != nullptr && alias->beforeSets() == names) return static_cast<int>(i);
  }
  return -1;
}

template <size_t N>
bool starts_with_any(std::string_view name, const std::array<std::string_view, N>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// Ops whose numbers decide how large the output is, or whether the call is valid.
constexpr std::array<std::string_view, 9> kValueKeyed = {
    "aten::arange",       "aten::range", "aten::upsample_",
    "aten::_upsample_",   "aten::pow",   "aten::linspace",
    "aten::_foreach_pow", "aten::histc", "aten::multi_margin_loss",
};
// Ops that take index tensors, which may be on the CPU, as on CUDA.
constexpr std::array<std::string_view, 4> kIndexing = {
    "aten::index.Tensor", "aten::index_put", "aten::_index_put_impl", "aten::_unsafe_index"};
constexpr std::array<std::string_view, 2> kMasksDecide = {"aten::index.Tensor",
                                                          "aten::_unsafe_index.Tensor"};
// Ops whose other arguments may be on the CPU: the source of a copy, lengths.
constexpr std::array<std::string_view, 2> kHostTensors = {"aten::copy_", "aten::_ctc_loss"};
constexpr std::array<std::string_view, 2> kOverwriting = {"aten::zero_", "aten::fill_"};
// Namespaces whose kernels are C++ of PyTorch or of this device, and may run on the executor's
// thread.
constexpr std::array<std::string_view, 5> kBuiltin = {
    "aten::", "mkldnn::", "quantized::", "_quantized::", "trireme::"};

Route route_of(const OpInfo& op, const c10::OperatorHandle& handle) {
  if (!starts_with_any(op.name, kBuiltin)) return Route::Opaque;
  // As on CUDA, where it reads a value: what it checks is not its own, so that its error would be
  // raised after the results that are wrong were read.
  if (op.name == "aten::_linalg_check_errors") return Route::Awaited;
  if (op.masks_decide) return Route::Cached;  // the draft says otherwise of calls with a mask
  if (handle.hasTag(at::Tag::dynamic_output_shape) ||
      handle.hasTag(at::Tag::data_dependent_output)) {
    return Route::Awaited;
  }
  const bool returns_value =
      std::any_of(op.returns.begin(), op.returns.end(),
                  [](const ReturnInfo& item) { return item.kind == ReturnInfo::Kind::Other; });
  return returns_value ? Route::Awaited : Route::Cached;
}

std::unique_ptr<OpInfo> describe(const c10::OperatorHandle& handle, uint32_t id) {
  auto op = std::make_unique<OpInfo>(OpInfo{.handle = handle});
  const auto& schema = handle.schema();
  op->name = schema.name();
  if (!schema.overload_name().empty()) op->name += "." + schema.overload_name();
  op->id = id;
  for (const auto& argument : schema.arguments()) {
    op->args.push_back({kind_of(argument), is_written(argument)});
    if (op->args.back().kind == ArgKind::Generator) op->random = true;
  }
  for (const auto& returned : schema.returns()) {
    ReturnInfo info;
    if (returned.type()->kind() == TypeKind::TensorType) {
      info.kind = ReturnInfo::Kind::Tensor;
    } else if (returned.type()->kind() == TypeKind::ListType &&
               kind_of(returned) == ArgKind::TensorList) {
      info.kind = ReturnInfo::Kind::TensorList;
    }
    info.aliased_arg = aliased_argument(schema, returned);
    op->returns.push_back(info);
  }
  op->random |= handle.hasTag(at::Tag::nondeterministic_seeded);
  op->value_keyed = op->random || starts_with_any(op->name, kValueKeyed);
  op->indexes = starts_with_any(op->name, kIndexing);
  const bool host = starts_with_any(op->name, kHostTensors);
  for (size_t i = 0; i < op->args.size(); ++i) {
    ArgInfo& argument = op->args[i];
    argument.host = (host && i > 0) || (op->indexes && argument.kind == ArgKind::TensorList);
  }
  op->masks_decide = starts_with_any(op->name, kMasksDecide);
  op->overwrites_first = starts_with_any(op->name, kOverwriting);
  op->route = route_of(*op, handle);
  return op;
}

struct Registry {
  std::mutex mutex;
  std::unordered_map<std::string, std::unique_ptr<OpInfo>> ops;
};

Registry& registry() {
  static auto* instance =
      new Registry;  // never freed: kernels may be called while the process exits
  return *instance;
}

}  // namespace

const OpInfo& op_info(const c10::OperatorHandle& handle) {
  const auto& name = handle.operator_name();
  const std::string key =
      name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  auto& slot = known.ops[key];
  if (!slot) slot = describe(handle, static_cast<uint32_t>(known.ops.size()));
  return *slot;
}

std::vector<const OpInfo*> known_ops() {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  std::vector<const OpInfo*> all;
  all.reserve(known.ops.size());
  for (const auto& [name, op] : known.ops) all.push_back(op.get());
  return all;
}

}  // namespace trireme::record
