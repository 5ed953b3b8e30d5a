// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/verify/verifier.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "trireme/base/errors.h"
#include "trireme/compile/run_on_copies.h"
#include "trireme/graph/check/verify.h"
#include "trireme/run/host_view.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/segment/graph_inputs.h"
#include "trireme/run/segment/opaque_runner.h"
#include "trireme/run/segment/segment_graph.h"
#include "trireme/run/verify/compare.h"

namespace trireme::run {
namespace {

// The largest magnitude of the floating arguments of the segment's calls up to this one, as they
// are now: what is left of a difference of large numbers is as far off as these are.
double inputs_of(const SegmentLog& log, size_t last,
                 std::span<record::VirtualStorage* const> storages) {
  double largest = 0;
  for (size_t n = 0; n <= last; ++n) {
    const LoggedCall& call = log.calls()[n];
    for (size_t i = 0; i < call.tensors.size(); ++i) {
      const LoggedTensor& ref = call.tensors[i];
      const record::Geometry& geometry = call.form->tensors[i];
      if (ref.storage == kNoLogId || c10::isIntegralType(geometry.dtype, /*includeBool=*/true)) {
        continue;
      }
      const at::Tensor tensor = host_tensor(*storages[ref.storage], geometry, ref.offset);
      largest = std::max(largest, largest_magnitude(tensor));
    }
  }
  return largest;
}

// Ops that give memory without values.
bool leaves_undefined(const std::string& op) { return op.find("empty") != std::string::npos; }

}  // namespace

void Verifier::before(const SegmentLog& log, std::span<record::VirtualStorage* const> storages) {
  expected_.clear();
  failure_.clear();
  opaque_for_.assign(log.calls().size(), {});
  predicted_ = false;
  try {
    predict(log, storages);
  } catch (const std::exception& error) {
    failure_ = error.what();
  }
}

void Verifier::predict(const SegmentLog& log, std::span<record::VirtualStorage* const> storages) {
  std::string refusal;
  graph::GraphBuilder::Refusal may_not;
  if (compiler_ != nullptr) {
    may_not = [&](const graph::Graph& so_far, const graph::Node& node) {
      return compiler_->refusal(so_far, node);
    };
  }
  auto built = build_graph(log, /*varies=*/{}, refusal, may_not);
  if (!built) {
    std::ranges::fill(opaque_for_, "in a segment with what the IR cannot say: " + refusal);
    return;
  }
  opaque_for_ = built->opaque_for;
  const auto lowered = [](const std::string& why) { return why.empty(); };
  if (std::ranges::none_of(opaque_for_, lowered)) return;

  const std::vector<std::string> problems = graph::verify(built->graph);
  if (!problems.empty()) throw Error("the graph is not well formed: " + problems.front());
  OpaqueRunner runner(log);
  const graph::Inputs inputs = graph_inputs(*built, log, storages);
  auto outputs = compiler_ == nullptr
                     ? graph::interpret(built->graph, inputs, &runner)
                     : compile::run_on_copies(*compiler_, std::move(built->graph), inputs, &runner);

  const auto expect = [&](size_t call, LogId storage, const record::Geometry& geometry,
                          int64_t offset) {
    if (log.storages()[storage].released || leaves_undefined(log.calls()[call].form->op->name)) {
      return;
    }
    const auto found = std::ranges::find(built->outputs, storage);
    if (found == built->outputs.end() && !log.storages()[storage].fresh) {
      // A row may know that an argument stays as it is, which its schema calls written.
      expected_.push_back({storage, geometry, offset,
                           host_tensor(*storages[storage], geometry, offset).clone(), call});
      return;
    }
    if (found == built->outputs.end()) {
      failure_ = log.calls()[call].form->op->name + ": its row leaves an output undefined";
      return;
    }
    auto& buffer = outputs[static_cast<size_t>(found - built->outputs.begin())];
    expected_.push_back(
        {storage, geometry, offset, host_view(buffer.bytes(), geometry, offset).clone(), call});
  };
  for (size_t i = 0; i < log.calls().size(); ++i) {
    const LoggedCall& call = log.calls()[i];
    for (size_t k = 0; k < call.tensors.size(); ++k) {
      if (!call.form->written[k] || call.tensors[k].storage == kNoLogId) continue;
      expect(i, call.tensors[k].storage, call.form->tensors[k], call.tensors[k].offset);
    }
    for (const record::OutputSlot& slot : call.form->outputs) {
      if (slot.kind == record::OutputSlot::Kind::Fresh) {
        expect(i, call.fresh[slot.index], slot.geometry, slot.geometry.offset);
      }
    }
  }
  predicted_ = true;
}

std::string Verifier::after(const SegmentLog& log,
                            std::span<record::VirtualStorage* const> storages) {
  // A kernel failed: the program is told of that, and there is nothing to compare.
  const bool failed = std::ranges::any_of(
      storages, [](const auto* storage) { return static_cast<bool>(storage->error); });
  std::string found = failed ? std::string() : failure_;
  for (const Expected& expected : expected_) {
    if (failed || !found.empty()) break;
    const at::Tensor actual =
        host_tensor(*storages[expected.storage], expected.geometry, expected.offset);
    found = difference(expected.computed, actual, inputs_of(log, expected.call, storages));
    if (!found.empty()) found = log.calls()[expected.call].form->op->name + ": " + found;
  }
  expected_.clear();
  if (!failed) note(log, found);
  return found;
}

void Verifier::note(const SegmentLog& log, const std::string& difference) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < log.calls().size(); ++i) {
    OpVerification& seen = report_[log.calls()[i].form->op->name];
    if (!opaque_for_[i].empty()) {
      ++seen.opaque;
      seen.opaque_for = opaque_for_[i];
    } else if (!difference.empty()) {
      if (seen.differed++ == 0) seen.difference = difference;
    } else if (predicted_) {
      ++seen.agreed;
    }
  }
}

std::map<std::string, OpVerification> Verifier::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace trireme::run
