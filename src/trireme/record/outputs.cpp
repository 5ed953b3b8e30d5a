// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/outputs.h"

#include <algorithm>

namespace trireme::record {
namespace {

class Learner {
 public:
  Learner(CallForm& form, const Bindings& bindings, const Completion& completion)
      : form_(form), bindings_(bindings), completion_(completion) {}

  LearnedOutputs learn() {
    form_.returns.clear();
    form_.outputs.clear();
    form_.fresh_nbytes.clear();
    form_.updates.clear();
    const auto& returns = form_.op->returns;
    for (size_t i = 0; i < returns.size() && learned_.strided; ++i) {
      learn_return(returns[i], completion_.results[i]);
    }
    if (learned_.strided) learn_updates();
    return std::move(learned_);
  }

 private:
  void learn_return(const ReturnInfo& info, const c10::IValue& result) {
    switch (info.kind) {
      case ReturnInfo::Kind::Tensor:
        form_.returns.push_back({});
        learn_output(info, result.toTensor());
        return;
      case ReturnInfo::Kind::TensorList: {
        const auto items = result.toListRef();
        form_.returns.push_back({.list = true, .count = static_cast<uint32_t>(items.size())});
        for (const auto& item : items) learn_output(info, item.toTensor());
        return;
      }
      case ReturnInfo::Kind::Other:
        learned_.strided = false;
        return;
    }
  }

  void learn_output(const ReturnInfo& info, const at::Tensor& result) {
    OutputSlot slot;
    if (info.aliased_arg >= 0 && form_.args[info.aliased_arg].kind == ArgSlot::Kind::Tensor) {
      slot.kind = OutputSlot::Kind::Arg;
      slot.index = first_tensor_of(info.aliased_arg);
    } else if (result.defined()) {
      if (result.layout() != c10::Layout::Strided || result.is_nested() || result.is_quantized() ||
          !result.has_storage()) {
        learned_.strided = false;
        return;
      }
      slot.geometry = geometry_of(*result.unsafeGetTensorImpl());
      place(result.storage(), slot);
    }
    form_.outputs.push_back(std::move(slot));
  }

  // Index among the tensor arguments of an argument's first tensor.
  uint32_t first_tensor_of(int arg) const {
    uint32_t count = 0;
    for (int i = 0; i < arg; ++i) count += count_tensors(form_.args[i]);
    return count;
  }

  static uint32_t count_tensors(const ArgSlot& slot) {
    if (slot.kind == ArgSlot::Kind::Tensor) return 1;
    uint32_t count = 0;
    for (const auto& item : slot.items) count += count_tensors(item);
    return count;
  }

  void place(const c10::Storage& storage, OutputSlot& slot) {
    for (size_t i = 0; i < completion_.tensors.size(); ++i) {
      const auto& argument = completion_.tensors[i];
      if (argument.defined() && storage.is_alias_of(argument.storage())) {
        slot.kind = OutputSlot::Kind::ArgStorage;
        slot.index = static_cast<uint32_t>(i);
        return;
      }
    }
    slot.kind = OutputSlot::Kind::Fresh;
    for (size_t i = 0; i < learned_.fresh.size(); ++i) {
      if (storage.is_alias_of(learned_.fresh[i])) {
        slot.index = static_cast<uint32_t>(i);
        return;
      }
    }
    slot.index = static_cast<uint32_t>(learned_.fresh.size());
    learned_.fresh.push_back(storage);
    form_.fresh_nbytes.push_back(storage.nbytes());
  }

  void learn_updates() {
    for (size_t i = 0; i < completion_.tensors.size(); ++i) {
      const auto& argument = completion_.tensors[i];
      if (!form_.written[i] || !argument.defined()) continue;
      const Geometry after = geometry_of(*argument.unsafeGetTensorImpl());
      const Geometry& before = form_.tensors[i];
      if (after.same_layout(before) && after.offset == bindings_.tensors[i].offset) continue;
      form_.updates.push_back({static_cast<uint32_t>(i), after, argument.storage().nbytes()});
    }
  }

  CallForm& form_;
  const Bindings& bindings_;
  const Completion& completion_;
  LearnedOutputs learned_;
};

}  // namespace

LearnedOutputs learn_outputs(CallForm& form, const Bindings& bindings,
                             const Completion& completion) {
  return Learner(form, bindings, completion).learn();
}

bool same_outputs(const CallForm& left, const CallForm& right) {
  const auto same_return = [](const ReturnSlot& a, const ReturnSlot& b) {
    return a.list == b.list && a.count == b.count;
  };
  const auto same_output = [](const OutputSlot& a, const OutputSlot& b) {
    return a.kind == b.kind && a.index == b.index && a.geometry.same_layout(b.geometry) &&
           a.geometry.offset == b.geometry.offset &&
           a.geometry.wrapped_number == b.geometry.wrapped_number;
  };
  return std::ranges::equal(left.returns, right.returns, same_return) &&
         std::ranges::equal(left.outputs, right.outputs, same_output) &&
         left.fresh_nbytes == right.fresh_nbytes && left.updates.size() == right.updates.size();
}

}  // namespace trireme::record
