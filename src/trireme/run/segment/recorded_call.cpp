// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/recorded_call.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/stack.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "trireme/base/openmp.h"
#include "trireme/run/host_view.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/small_call.h"

namespace trireme::run {

void run_recorded(const LoggedCall& call, const graph::Node& node,
                  std::span<const std::span<const std::byte>> operands,
                  std::span<const std::span<std::byte>> results) {
  const record::CallForm& form = *call.form;
  // The builder makes an operand of each defined tensor argument, in order; a result of each
  // storage that an argument writes, in order, then of each fresh one.
  std::vector<LogId> result_storages;
  const auto add_result = [&](LogId id) {
    if (std::ranges::find(result_storages, id) == result_storages.end()) {
      result_storages.push_back(id);
    }
  };
  for (size_t i = 0; i < call.tensors.size(); ++i) {
    if (form.written[i] && call.tensors[i].storage != kNoLogId) add_result(call.tensors[i].storage);
  }
  for (const record::OutputSlot& slot : form.outputs) {
    if (slot.kind == record::OutputSlot::Kind::Fresh) add_result(call.fresh[slot.index]);
  }
  TORCH_CHECK(result_storages.size() == node.results.size(), form.op->name,
              ": the node has another number of results than the call");

  const auto result_of = [&](LogId id) -> std::span<std::byte> {
    const auto found = std::ranges::find(result_storages, id);
    if (found == result_storages.end()) return {};
    return results[static_cast<size_t>(found - result_storages.begin())];
  };
  std::vector<at::Tensor> tensors;
  size_t next = 0;
  for (size_t i = 0; i < call.tensors.size(); ++i) {
    if (call.tensors[i].storage == kNoLogId) {
      tensors.emplace_back();
      continue;
    }
    const std::span<const std::byte> operand = operands[next++];
    const auto found = std::ranges::find(result_storages, call.tensors[i].storage);
    // A kernel may not write what it only reads, whatever the pointer's type says.
    std::span<std::byte> bytes{const_cast<std::byte*>(operand.data()), operand.size()};
    if (found != result_storages.end()) bytes = result_of(call.tensors[i].storage);
    tensors.push_back(host_view(bytes, form.tensors[i], call.tensors[i].offset));
  }

  torch::jit::Stack stack;
  const base::OneThread alone(is_small_call_now(form));
  call_op(form, tensors, call.values, call.random, stack);
  size_t output = 0;
  const auto keep = [&](const at::Tensor& result) {
    const record::OutputSlot& slot = form.outputs[output++];
    if (slot.kind != record::OutputSlot::Kind::Fresh) return;
    const at::Tensor target =
        host_view(result_of(call.fresh[slot.index]), slot.geometry, slot.geometry.offset);
    TORCH_CHECK(result.defined() && result.sizes() == target.sizes(), form.op->name,
                " gave another output than an equal call before");
    target.copy_(result);
  };
  for (size_t i = 0; i < form.returns.size(); ++i) {
    if (!form.returns[i].list) {
      keep(stack[i].toTensor());
      continue;
    }
    for (const auto& item : stack[i].toListRef()) keep(item.toTensor());
  }
}

}  // namespace trireme::run
