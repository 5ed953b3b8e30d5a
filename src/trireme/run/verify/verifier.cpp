// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/verify/verifier.h"

#include <ATen/ops/empty.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <utility>

#include "trireme/base/env.h"
#include "trireme/base/errors.h"
#include "trireme/graph/check/verify.h"
#include "trireme/graph/text/print.h"
#include "trireme/record/stream/writer.h"
#include "trireme/run/host_view.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/segment/graph_inputs.h"
#include "trireme/run/segment/opaque_runner.h"
#include "trireme/run/segment/segment_graph.h"
#include "trireme/run/verify/compare.h"

namespace trireme::run {
namespace {

// Compiling the graph again and again takes long, and a fault shows in many segments.
constexpr int kBlamed = 3;
constexpr int kDumped = 3;

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
  rerun_.reset();
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
  auto built = build_graph(log, /*varies=*/{}, /*fit=*/nullptr, refusal, may_not);
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
  inputs_ = built->inputs;
  rerun_ = std::make_unique<Rerun>(std::move(built->graph),
                                   graph_inputs(*built, log, storages, /*symbols=*/{}));
  outputs_ = rerun_->run(compiler_, runner, off_);

  const auto expect = [&](size_t call, LogId storage, const record::Geometry& geometry,
                          int64_t offset) {
    if (log.storages()[storage].released || leaves_undefined(log.calls()[call].form->op->name)) {
      return;
    }
    const auto found = std::ranges::find(built->outputs, storage);
    if (found == built->outputs.end() && !log.storages()[storage].fresh) {
      // A row may know that an argument stays as it is, which its schema calls written.
      expected_.push_back({storage, geometry, offset, call, std::nullopt,
                           host_tensor(*storages[storage], geometry, offset).clone()});
      return;
    }
    if (found == built->outputs.end()) {
      failure_ = log.calls()[call].form->op->name + ": its row leaves an output undefined";
      return;
    }
    const auto output = static_cast<size_t>(found - built->outputs.begin());
    expected_.push_back({storage, geometry, offset, call, output, {}});
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
}

std::string Verifier::after(const SegmentLog& log,
                            std::span<record::VirtualStorage* const> storages) {
  // A kernel failed: the program is told of that, and there is nothing to compare.
  const bool failed = std::ranges::any_of(
      storages, [](const auto* storage) { return static_cast<bool>(storage->error); });
  if (failed) return {};
  std::string found = failure_.empty() ? difference_of(outputs_, log, storages) : failure_;
  outputs_.clear();
  note(log, found);
  if (found.empty() || compiler_ == nullptr || !rerun_ || blamed_ == kBlamed) return found;
  ++blamed_;
  return found + "; " + blame(log, storages);
}

std::string Verifier::difference_of(std::vector<graph::Buffer>& outputs, const SegmentLog& log,
                                    std::span<record::VirtualStorage* const> storages) const {
  for (const Expected& expected : expected_) {
    const at::Tensor actual =
        host_tensor(*storages[expected.storage], expected.geometry, expected.offset);
    const at::Tensor computed = expected.output ? host_view(outputs[*expected.output].bytes(),
                                                            expected.geometry, expected.offset)
                                                : expected.kept;
    const std::string found = difference(computed, actual, inputs_of(log, expected.call, storages));
    if (!found.empty()) return log.calls()[expected.call].form->op->name + ": " + found;
  }
  return {};
}

std::string Verifier::blame(const SegmentLog& log,
                            std::span<record::VirtualStorage* const> storages) const {
  const auto agrees = [&](const compile::Compiler* compiler, const std::vector<std::string>& off) {
    try {
      OpaqueRunner runner(log);
      auto outputs = rerun_->run(compiler, runner, off);
      return difference_of(outputs, log, storages).empty();
    } catch (const std::exception&) {
      return false;
    }
  };
  std::string names;
  for (const std::string& name : compiler_->switches()) {
    std::vector<std::string> off = off_;
    off.push_back(name);
    if (agrees(compiler_, off)) names += (names.empty() ? "" : " or ") + name;
  }
  if (!names.empty()) return "it agrees without the pass " + names + " (TRIREME_PASSES_OFF)";
  if (agrees(compiler_, compiler_->switches())) return "it agrees only without any pass";
  if (agrees(nullptr, {})) return "the graph is right, its kernels are not, without passes either";
  return "the graph is wrong before the passes: see the ops' rows";
}

std::string Verifier::dump(const SegmentLog& log, std::span<record::VirtualStorage* const> storages,
                           std::span<const record::Call* const> calls) {
  if (!rerun_ || dumped_ == kDumped) return {};
  const std::string path = base::env_folder("TRIREME_DUMP").value_or(".") + "/verify-" +
                           std::to_string(::getpid()) + "-" + std::to_string(dumped_++);
  std::ofstream(path + ".graph") << graph::print(rerun_->graph());
  record::stream::StreamWriter writer(path + ".trireme");

  // The inputs as they were, while the writer looks at them.
  std::vector<c10::Storage> now;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto held = rerun_->input(i);
    at::Tensor copy = at::empty({static_cast<int64_t>(held.size())}, at::kByte);
    std::ranges::copy(held, static_cast<std::byte*>(copy.mutable_data_ptr()));
    now.push_back(std::exchange(storages[inputs_[i]]->memory, copy.storage()));
  }
  for (const record::Call* call : calls) {
    if (call->kind == record::Call::Kind::Op) writer.call(*call);
  }
  for (size_t i = 0; i < inputs_.size(); ++i) storages[inputs_[i]]->memory = std::move(now[i]);

  for (const Expected& expected : expected_) {
    record::VirtualStorage& storage = *storages[expected.storage];
    writer.read(storage, expected.geometry, expected.offset,
                host_tensor(storage, expected.geometry, expected.offset),
                log.calls()[expected.call].site);
  }
  for (const record::Call* call : calls) {
    if (call->kind == record::Call::Kind::Release) writer.released(*call->released);
  }
  const std::string error = writer.finish();
  if (!error.empty()) throw Error(error);
  return path + ".trireme";
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
    } else if (rerun_) {
      ++seen.agreed;
    }
  }
}

std::map<std::string, OpVerification> Verifier::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace trireme::run
