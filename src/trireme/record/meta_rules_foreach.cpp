// SPDX-License-Identifier: Apache-2.0
// Rules of ops over lists of tensors, as optimizers issue them.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>

#include "trireme/record/meta_rules.h"

namespace trireme::record {
namespace {

using torch::jit::Stack;

// Lists go together when they are equally long and their tensors equally large; one tensor beside
// them has to be a number.
std::vector<at::Tensor> first_list(const c10::OperatorHandle& op, const Stack& stack) {
  const auto args = torch::jit::last(stack, op.schema().arguments().size());
  auto first = args[0].toTensorVector();
  for (const c10::IValue& arg : args.slice(1)) {
    if (arg.isTensorList()) {
      const auto list = arg.toTensorVector();
      require(std::ranges::equal(list, first, [](const at::Tensor& a, const at::Tensor& b) {
        return a.sizes() == b.sizes();
      }));
    } else if (arg.isTensor()) {
      require(arg.toTensor().defined() && arg.toTensor().dim() == 0);
    } else if (arg.isList()) {
      const auto numbers = arg.toListRef();
      require(numbers.size() == first.size());
      for (const c10::IValue& number : numbers) require(number.isDouble() || number.isInt());
    } else {
      require(!arg.isComplexDouble() && !arg.isBool());
    }
  }
  require(!first.empty());
  return first;
}

void in_place(const c10::OperatorHandle& op, Stack* stack) {
  for (const at::Tensor& tensor : first_list(op, *stack)) require(is_writable(tensor));
  torch::jit::drop(*stack, op.schema().arguments().size());
}

void pointwise(const c10::OperatorHandle& op, Stack* stack) {
  const auto args = torch::jit::last(*stack, op.schema().arguments().size());
  std::vector<at::Tensor> results;
  for (const at::Tensor& tensor : first_list(op, *stack)) results.push_back(like(tensor));
  for (const c10::IValue& arg : args) {
    if (!arg.isTensorList()) continue;
    const auto list = arg.toTensorVector();
    require(std::ranges::all_of(list, [](const at::Tensor& item) { return item.is_contiguous(); }));
  }
  torch::jit::drop(*stack, op.schema().arguments().size());
  torch::jit::push(*stack, std::move(results));
}

// Norms: a number each.
void norm(const c10::OperatorHandle& op, Stack* stack) {
  const auto args = torch::jit::last(*stack, op.schema().arguments().size());
  for (const c10::IValue& arg : args.slice(2)) require(arg.isNone());  // no dtype asked for
  std::vector<at::Tensor> results;
  for (const at::Tensor& tensor : first_list(op, *stack))
    results.push_back(row_major({}, tensor.scalar_type()));
  torch::jit::drop(*stack, op.schema().arguments().size());
  torch::jit::push(*stack, std::move(results));
}

template <void (*function)(const c10::OperatorHandle&, Stack*)>
MetaKernel floating() {
  return {c10::KernelFunction::makeFromBoxedFunction<function>(), Takes::Floating};
}

}  // namespace

void add_foreach_rules(MetaTable& table) {
  for (const char* name : {"aten::_foreach_add_.List",
                           "aten::_foreach_add_.Scalar",
                           "aten::_foreach_add_.ScalarList",
                           "aten::_foreach_add_.Tensor",
                           "aten::_foreach_addcdiv_.Scalar",
                           "aten::_foreach_addcdiv_.ScalarList",
                           "aten::_foreach_addcmul_.Scalar",
                           "aten::_foreach_addcmul_.ScalarList",
                           "aten::_foreach_clamp_min_.Scalar",
                           "aten::_foreach_copy_",
                           "aten::_foreach_div_.List",
                           "aten::_foreach_div_.Scalar",
                           "aten::_foreach_div_.ScalarList",
                           "aten::_foreach_div_.Tensor",
                           "aten::_foreach_lerp_.List",
                           "aten::_foreach_lerp_.Scalar",
                           "aten::_foreach_maximum_.List",
                           "aten::_foreach_mul_.List",
                           "aten::_foreach_mul_.Scalar",
                           "aten::_foreach_mul_.ScalarList",
                           "aten::_foreach_mul_.Tensor",
                           "aten::_foreach_neg_",
                           "aten::_foreach_reciprocal_",
                           "aten::_foreach_sqrt_",
                           "aten::_foreach_sub_.List",
                           "aten::_foreach_sub_.Scalar",
                           "aten::_foreach_zero_"}) {
    table.emplace(name, floating<&in_place>());
  }
  for (const char* name :
       {"aten::_foreach_add.List", "aten::_foreach_add.Scalar", "aten::_foreach_addcdiv.Scalar",
        "aten::_foreach_div.List", "aten::_foreach_div.Scalar", "aten::_foreach_div.ScalarList",
        "aten::_foreach_lerp.Scalar", "aten::_foreach_maximum.List", "aten::_foreach_mul.List",
        "aten::_foreach_mul.Scalar", "aten::_foreach_mul.Tensor", "aten::_foreach_neg",
        "aten::_foreach_reciprocal", "aten::_foreach_sign", "aten::_foreach_sqrt",
        "aten::_foreach_sub.List"}) {
    table.emplace(name, floating<&pointwise>());
  }
  table.emplace("aten::_foreach_norm.Scalar", floating<&norm>());
}

}  // namespace trireme::record
