// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/graph_builder.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "trireme/graph/build/lowering.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/tensor_views.h"

namespace trireme::graph {

StorageId GraphBuilder::add_storage(Origin origin, Extent nbytes) {
  storages_.push_back({.nbytes = std::move(nbytes), .origin = origin});
  return static_cast<StorageId>(storages_.size() - 1);
}

uint32_t GraphBuilder::add_number(DType dtype) {
  graph_.numbers.push_back(dtype);
  return static_cast<uint32_t>(graph_.numbers.size() - 1);
}

uint32_t GraphBuilder::add_random() { return graph_.randoms++; }

void GraphBuilder::add(const OpCall& call) {
  const Row row = OpTable::instance().find(call.name);
  if (row == nullptr) {
    declined_.push_back(call.name + ": no row");
    add_opaque(call);
    return;
  }
  call_ = call.number;
  const Sizes before = sizes();
  changes_.clear();
  try {
    Lowering lowering(*this, call);
    row(lowering);
  } catch (const Declined& reason) {
    undo(before);
    declined_.push_back(call.name + ": " + reason.what());
    add_opaque(call);
  }
}

GraphBuilder::Sizes GraphBuilder::sizes() const {
  return {graph_.nodes.size(), graph_.values.size(), storages_.size(), guards_.size(),
          naturals_.size()};
}

void GraphBuilder::undo(const Sizes& before) {
  for (; !changes_.empty(); changes_.pop_back()) {
    Change& last = changes_.back();
    if (!last.before.input && storages_[last.storage].input) {
      graph_.inputs.pop_back();
      input_storages_.pop_back();
    }
    storages_[last.storage] = std::move(last.before);
  }
  graph_.nodes.resize(before.nodes);
  graph_.values.resize(before.values);
  storages_.resize(before.storages);
  guards_.resize(before.guards);
  naturals_.resize(before.naturals);
}

void GraphBuilder::add_opaque(const OpCall& call) {
  call_ = call.number;
  std::vector<Operand> operands;
  std::vector<StorageId> written;
  const auto argument = [&](const Tensor& tensor, bool writes) {
    if (tensor.storage == kNoStorage) return;
    operands.push_back(read(tensor));
    if (writes && std::ranges::find(written, tensor.storage) == written.end()) {
      written.push_back(tensor.storage);
    }
  };
  for (size_t i = 0; i < call.args.size(); ++i) {
    const bool writes = i < call.written.size() && call.written[i];
    if (const auto* tensor = std::get_if<Tensor>(&call.args[i])) argument(*tensor, writes);
    if (const auto* list = std::get_if<std::vector<Tensor>>(&call.args[i])) {
      for (const Tensor& tensor : *list) argument(tensor, writes);
    }
  }
  Node node{.primitive = Opaque{call.call}, .operands = std::move(operands), .call = call_};
  const auto result = [&](StorageId storage, DType dtype) {
    const ValueId base = storages_[storage].value;
    if (base != kNoValue) dtype = graph_.values[base].dtype;
    const Extent elements = count(storage, dtype);
    const ValueId value = graph_.add_value(dtype, elements);
    node.results.push_back({value, dtype, View::row_major({elements}), base});
    change(storage).value = value;
  };
  for (const StorageId storage : written) result(storage, DType::UInt8);
  for (const Tensor& output : call.outputs) {
    if (output.storage == kNoStorage) continue;
    if (std::ranges::find(written, output.storage) != written.end()) continue;
    written.push_back(output.storage);
    result(output.storage, output.dtype);
  }
  graph_.nodes.push_back(std::move(node));
}

GraphBuilder::Storage& GraphBuilder::change(StorageId storage) {
  changes_.push_back({storage, storages_[storage]});
  return storages_[storage];
}

Extent GraphBuilder::count(StorageId storage, DType dtype) const {
  const Extent& nbytes = storages_[storage].nbytes;
  const auto size = static_cast<int64_t>(size_of(dtype));
  if (const auto constant = nbytes.constant()) return *constant / size;
  const auto divided = nbytes.divided_by(size);
  if (!divided) decline("a storage whose size is no multiple of its elements'");
  return *divided;
}

ValueId GraphBuilder::current(StorageId storage, DType dtype) {
  if (storages_[storage].value != kNoValue) return storages_[storage].value;
  const Extent elements = count(storage, dtype);
  Storage& changed = change(storage);
  if (changed.origin == Origin::Outside) {
    changed.value = graph_.add_input(dtype, elements);
    changed.input = static_cast<uint32_t>(graph_.inputs.size() - 1);
    input_storages_.push_back(storage);
    return changed.value;
  }
  // Memory that was never written: zeros are as good as anything.
  changed.value = graph_.add_value(dtype, elements);
  Map zero;
  zero.expression.roots = {zero.expression.add({.op = ScalarOp::Constant, .dtype = dtype})};
  graph_.nodes.push_back({.primitive = std::move(zero),
                          .dims = {elements},
                          .parallel = 1,
                          .results = {{changed.value, dtype, View::row_major({elements})}},
                          .call = call_});
  return changed.value;
}

Operand GraphBuilder::read(const Tensor& tensor) {
  if (tensor.storage == kNoStorage) decline("a tensor argument without a storage");
  return {current(tensor.storage, tensor.dtype), tensor.dtype, view_of(tensor)};
}

void GraphBuilder::append(Primitive primitive, Extents dims, size_t parallel,
                          std::vector<Operand> operands, std::span<const Tensor> targets) {
  Node node{.primitive = std::move(primitive),
            .dims = std::move(dims),
            .parallel = static_cast<uint32_t>(parallel),
            .operands = std::move(operands),
            .call = call_};
  for (size_t i = 0; i < targets.size(); ++i) {
    const Tensor& target = targets[i];
    for (size_t k = 0; k < i; ++k) {
      if (targets[k].storage == target.storage) decline("two results in one storage");
    }
    const Extent elements = count(target.storage, target.dtype);
    View view = view_of(target);
    const bool scatters = std::holds_alternative<Scatter>(node.primitive);
    if (!scatters && view.may_overlap()) decline("a result whose elements overlap");
    const bool whole = view.covers(elements);
    const Storage& storage = storages_[target.storage];
    const bool holds = storage.value != kNoValue || storage.origin == Origin::Outside;
    const bool on_top = scatters || (!whole && holds);
    const ValueId base = on_top ? current(target.storage, target.dtype) : kNoValue;
    // A storage keeps its element type while parts of it are written.
    const DType dtype = base == kNoValue ? target.dtype : graph_.values[base].dtype;
    const ValueId value =
        graph_.add_value(dtype, base == kNoValue ? elements : graph_.values[base].count);
    node.results.push_back({value, target.dtype, std::move(view), base});
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    change(targets[i].storage).value = node.results[i].value;
  }
  if (refusal_) {
    if (const std::string why = refusal_(graph_, node); !why.empty()) decline(why);
  }
  graph_.nodes.push_back(std::move(node));
}

void GraphBuilder::guard(const Number& number) {
  if (number.input) guards_.push_back({*number.input, number});
}

void GraphBuilder::guard_natural(const Extent& extent) {
  if (!extent.is_constant()) naturals_.push_back(extent);
}

Graph GraphBuilder::finish(std::span<const StorageId> leaving) {
  output_storages_.clear();
  for (const StorageId storage : leaving) {
    const Storage& state = storages_[storage];
    if (state.value == kNoValue) continue;  // neither read nor written
    if (state.input && graph_.inputs[*state.input] == state.value) continue;  // not written
    graph_.outputs.push_back({state.value, state.input});
    output_storages_.push_back(storage);
  }
  return std::move(graph_);
}

}  // namespace trireme::graph
