// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/replay.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/empty.h>
#include <c10/core/DefaultDtype.h>

#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "trireme/base/errors.h"
#include "trireme/record/outputs.h"
#include "trireme/record/stream/reader.h"
#include "trireme/record/stream/strided.h"
#include "trireme/run/alloc/c10_adapter.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/segment/held_calls.h"
#include "trireme/run/verify/verified_calls.h"

namespace trireme::run {
namespace {

using record::Call;
using record::CallForm;
using record::Geometry;
using record::VirtualStorage;
using record::stream::GlobalState;
using record::stream::PayloadSource;

constexpr size_t kMostMismatches = 10;
constexpr size_t kPiece = 16384;

// PyTorch's settings while a recording runs, and as they were afterwards.
class Settings {
 public:
  Settings() : threads_(at::get_num_threads()) {
    auto& context = at::globalContext();
    before_ = now_ = {c10::get_default_dtype_as_scalartype(), context.deterministicAlgorithms(),
                      context.deterministicFillUninitializedMemory()};
    warn_only_ = context.deterministicAlgorithmsWarnOnly();
  }
  ~Settings() {
    set(before_);
    if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  void set(const GlobalState& state) {
    if (state == now_) return;
    auto& context = at::globalContext();
    if (state.default_dtype != now_.default_dtype) {
      c10::set_default_dtype(c10::scalarTypeToTypeMeta(state.default_dtype));
    }
    context.setDeterministicAlgorithms(state.deterministic, warn_only_);
    context.setDeterministicFillUninitializedMemory(state.fill_uninitialized);
    now_ = state;
  }

 private:
  int threads_;
  bool warn_only_ = false;
  GlobalState before_;
  GlobalState now_;
};

std::shared_ptr<const record::CallError> spoiled_by(const std::string& message) {
  auto error = std::make_shared<record::CallError>();
  error->message = message;
  error->op = "a recorded call";
  error->where = "the recording";
  return error;
}

// An element as text.
std::string element_text(const void* element, c10::ScalarType dtype) {
  try {
    const at::Tensor one = at::empty({}, at::TensorOptions().dtype(dtype));
    std::memcpy(one.mutable_data_ptr(), element, c10::elementSize(dtype));
    std::ostringstream text;
    text.precision(17);
    const at::Scalar value = one.item();
    if (value.isComplex()) {
      text << value.toComplexDouble();
    } else if (value.isIntegral(/*includeBool=*/true)) {
      text << value.toLong();
    } else {
      text << value.toDouble();
    }
    return text.str();
  } catch (const c10::Error&) {
    return "?";
  }
}

bool same_value(const c10::IValue& recorded, const c10::IValue& replayed) {
  if (recorded.isDouble() && replayed.isDouble()) {
    return std::bit_cast<uint64_t>(recorded.toDouble()) ==
           std::bit_cast<uint64_t>(replayed.toDouble());
  }
  return recorded.tagKind() == replayed.tagKind() && recorded == replayed;
}

class Replay final : public record::stream::StreamHandler {
 public:
  Replay(const std::string& path, Verifier* verifier)
      : reader_(path, *this), executor_([this](const std::shared_ptr<const record::CallError>&) {
          ++result_.failed_calls;
        }) {
    if (verifier != nullptr) {
      held_.emplace(*verifier, [this](Call& call) { executor_.run(call); });
    }
  }

  ReplayResult run(const ReplayOptions& options, const std::string& path) {
    const HostAllocatorScope memory;
    const at::AutoDispatchBelowADInplaceOrView below;
    while (!stopped_ && reader_.next()) {
    }
    if (!stopped_) run_held();
    result_.calls = reader_.calls();
    result_.complete = reader_.complete() || stopped_;
    if (!result_.complete && !options.partial) {
      throw Error(path + " ends early, after " + std::to_string(result_.calls) + " calls and " +
                  std::to_string(result_.reads) + " values read (" +
                  std::to_string(result_.mismatch_count) +
                  " differ): its program did not end as it should, or the file was cut; to run "
                  "what there is: "
                  "trireme replay --partial");
    }
    return std::move(result_);
  }

  void begin(const record::stream::StreamOrigin& origin) override {
    if (static_cast<int>(origin.threads) != at::get_num_threads())
      at::set_num_threads(static_cast<int>(origin.threads));
    if (origin.cpu != at::get_cpu_capability()) {
      result_.note =
          "recorded with kernels for " + origin.cpu + ", replayed with " + at::get_cpu_capability();
    }
  }

  void storage(VirtualStorage& storage, PayloadSource* data, const std::string& error) override {
    if (stopped_) return;
    run_held();
    if (!error.empty()) storage.error = spoiled_by(error);
    if (data == nullptr) return;
    storage.memory = make_memory(data->left());
    if (data->left() > 0) data->get(storage.memory.mutable_data(), data->left());
  }

  void call(Call& call, bool awaited, const GlobalState& state) override {
    if (stopped_) return;
    settings_.set(state);
    const CallForm& form = *call.form;
    // The file's site numbers mean nothing to this process: only reader_ can read them.
    const Writer writer{call.number, form.op, std::exchange(call.site, record::kUnknownSite)};
    for (size_t i = 0; i < form.tensors.size(); ++i) {
      if (VirtualStorage* storage = call.bindings.tensors[i].storage) {
        check_memory(*storage, form.tensors[i], call.bindings.tensors[i].offset);
        if (form.written[i]) writers_[storage->id] = writer;
      }
    }
    for (const VirtualStorage* storage : call.fresh) writers_[storage->id] = writer;
    if (held_ && !awaited && HeldCalls::holdable(call)) {
      held_->hold(call);
      last_held_ = writer;
      return;
    }
    run_held();
    if (!awaited) {
      executor_.run(call);
      return;
    }
    Pending& pending = pending_[call.number];
    pending.writer = writer;
    pending.form = &form;
    pending.bindings = call.bindings;
    call.completion = &pending.completion;
    executor_.run(call);
    call.completion = nullptr;
  }

  void outputs(uint64_t number, const CallForm& form,
               std::span<VirtualStorage* const> fresh) override {
    if (stopped_) return;
    const std::optional<Pending> taken = take_succeeded(number);
    if (!taken) return;
    const Pending& pending = *taken;
    CallForm learned_form = *pending.form;
    const record::LearnedOutputs learned =
        record::learn_outputs(learned_form, pending.bindings, pending.completion);
    if (!learned.strided || !record::same_outputs(form, learned_form)) {
      stop(pending, "gave outputs of other shapes than when it was recorded");
      return;
    }
    for (size_t i = 0; i < fresh.size(); ++i) {
      fresh[i]->memory = learned.fresh[i];
      writers_[fresh[i]->id] = pending.writer;
    }
  }

  void returned(uint64_t number, std::span<const c10::IValue> values) override {
    if (stopped_) return;
    const std::optional<Pending> taken = take_succeeded(number);
    if (!taken) return;
    const Pending& pending = *taken;
    const auto& results = pending.completion.results;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i].isTensor()) continue;  // a tensor: told as data that entered
      ++result_.reads;
      result_.compared_bytes += sizeof(uint64_t);
      if (i < results.size() && same_value(values[i], results[i])) continue;
      std::ostringstream text;
      text << "recorded " << values[i];
      if (i < results.size()) text << ", replayed " << results[i];
      note({result_.reads, pending.writer.number, pending.writer.op->name,
            reader_.site(pending.writer.site), reader_.site(pending.writer.site), text.str()});
    }
  }

  void failed(uint64_t number, const std::string& message) override {
    if (stopped_) return;
    const Pending pending = take(number);
    if (!pending.completion.failed()) {
      stop(pending, "succeeded; when it was recorded it failed: " + message);
      return;
    }
    ++result_.failed_calls;
  }

  void released(std::unique_ptr<VirtualStorage> storage) override {
    writers_.erase(storage->id);
    if (held_) held_->release(std::move(storage));
  }

  void resized(VirtualStorage& storage, size_t nbytes) override {
    run_held();
    storage.shadow.reset();
    if (stopped_ || !storage.memory || storage.memory.nbytes() == nbytes) return;
    c10::Storage larger = make_memory(nbytes);
    const size_t kept = std::min(nbytes, storage.memory.nbytes());
    if (kept > 0) std::memcpy(larger.mutable_data(), storage.memory.data(), kept);
    storage.memory = std::move(larger);
  }

  void entered(VirtualStorage& storage, const Geometry& geometry, PayloadSource& data) override {
    if (stopped_) return;
    run_held();
    check_memory(storage, geometry, geometry.offset);
    const uint64_t bytes = data.left();
    load(storage, geometry, data);
    if (bytes >= storage.nbytes) storage.error.reset();
  }

  void read(VirtualStorage& storage, const Geometry& geometry, PayloadSource& data,
            record::SiteId site) override {
    if (stopped_) return;
    run_held();
    ++result_.reads;
    result_.compared_bytes += data.left();
    Mismatch mismatch;
    mismatch.read = result_.reads;
    mismatch.where = reader_.site(site);
    if (const auto writer = writers_.find(storage.id); writer != writers_.end()) {
      mismatch.call = writer->second.number;
      mismatch.op = writer->second.op->name;
      mismatch.issued = reader_.site(writer->second.site);
    }
    if (storage.error) {
      mismatch.what =
          "a call failed, which it did not when it was recorded: " + storage.error->message;
      note(std::move(mismatch));
      return;
    }
    if (!storage.memory) {  // read before anything was written: any value will do
      load(storage, geometry, data);
      return;
    }
    check_memory(storage, geometry, geometry.offset);
    mismatch.what = compare(storage, geometry, data);
    if (!mismatch.what.empty()) note(std::move(mismatch));
  }

 private:
  struct Writer {
    uint64_t number = 0;
    const record::OpInfo* op = nullptr;
    record::SiteId site = record::kUnknownSite;
  };
  struct Pending {
    Writer writer;
    const CallForm* form = nullptr;
    record::Bindings bindings;
    record::Completion completion;
  };

  void run_held() {
    if (!held_) return;
    uint64_t last = 0;
    const std::string difference = held_->run(last);
    if (difference.empty()) return;
    const std::string site = reader_.site(last_held_.site);
    note({0, last, last_held_.op->name, site, site,
          "the compiler's graph gives other values: " + difference});
  }

  static c10::Storage make_memory(size_t nbytes) {
    c10::Allocator* allocator = host_allocator();
    return c10::Storage(c10::make_intrusive<c10::StorageImpl>(
        c10::StorageImpl::use_byte_size_t(), nbytes, allocator->allocate(nbytes), allocator,
        /*resizable=*/true));
  }

  // The reader has checked against the size that the file gives; this is the memory there is.
  static void check_memory(const VirtualStorage& storage, const Geometry& geometry,
                           int64_t offset) {
    if (storage.memory) record::stream::check_bounds(geometry, offset, storage.memory.nbytes());
  }

  static void load(VirtualStorage& storage, const Geometry& geometry, PayloadSource& data) {
    const size_t element = c10::elementSize(geometry.dtype);
    auto* memory = static_cast<std::byte*>(host_memory(storage).mutable_data());
    record::stream::check_bounds(geometry, geometry.offset, storage.memory.nbytes());
    memory += static_cast<size_t>(geometry.offset) * element;
    record::stream::for_each_run(geometry.sizes(), geometry.strides(), element,
                                 [&](int64_t at, size_t size) {
                                   data.get(memory + at, size);
                                   return true;
                                 });
  }

  // What differs first, or "".
  static std::string compare(const VirtualStorage& storage, const Geometry& geometry,
                             PayloadSource& data) {
    const size_t element = c10::elementSize(geometry.dtype);
    const auto* memory = static_cast<const std::byte*>(storage.memory.data());
    memory += static_cast<size_t>(geometry.offset) * element;
    std::string difference;
    std::vector<std::byte> recorded(kPiece);
    uint64_t done = 0;
    uint64_t differing = 0;
    const auto compare_piece = [&](const std::byte* replayed, size_t size) {
      data.get(recorded.data(), size);
      if (std::memcmp(recorded.data(), replayed, size) != 0) {
        for (size_t i = 0; i < size; i += element) {
          if (std::memcmp(recorded.data() + i, replayed + i, element) == 0) continue;
          if (differing++ == 0) {
            difference = "element " + std::to_string((done + i) / element) + ": recorded " +
                         element_text(recorded.data() + i, geometry.dtype) + ", replayed " +
                         element_text(replayed + i, geometry.dtype);
          }
        }
      }
      done += size;
    };
    record::stream::for_each_run(
        geometry.sizes(), geometry.strides(), element, [&](int64_t at, size_t size) {
          for (size_t start = 0; start < size; start += kPiece) {
            compare_piece(memory + at + start, std::min(kPiece, size - start));
          }
          return true;
        });
    if (differing > 1) {
      difference += " (" + std::to_string(differing) + " of " + std::to_string(done / element) +
                    " elements differ)";
    }
    return difference;
  }

  Pending take(uint64_t number) {
    const auto known = pending_.find(number);
    TORCH_CHECK(known != pending_.end(), "call ", number, " is not pending");
    Pending pending = std::move(known->second);
    pending_.erase(known);
    return pending;
  }

  // A call that succeeded when it was recorded; where it does not now, the replay ends.
  std::optional<Pending> take_succeeded(uint64_t number) {
    Pending pending = take(number);
    if (!pending.completion.failed()) return pending;
    stop(pending, "failed, which it did not when it was recorded: " +
                      record::failure_of(pending.completion));
    return std::nullopt;
  }

  void note(Mismatch mismatch) {
    ++result_.mismatch_count;
    if (result_.mismatches.size() < kMostMismatches)
      result_.mismatches.push_back(std::move(mismatch));
  }

  void stop(const Pending& pending, const std::string& what) {
    stopped_ = true;
    const std::string site = reader_.site(pending.writer.site);
    note({0, pending.writer.number, pending.writer.op->name, site, site,
          what + "; the replay ends here"});
  }

  Settings settings_;
  record::stream::StreamReader reader_;
  ReferenceExecutor executor_;
  std::unordered_map<uint64_t, Writer> writers_;  // by storage
  std::unordered_map<uint64_t, Pending> pending_;
  std::optional<VerifiedCalls> held_;  // where calls are verified
  Writer last_held_;
  ReplayResult result_;
  bool stopped_ = false;
};

}  // namespace

ReplayResult replay(const std::string& path, const ReplayOptions& options) {
  return Replay(path, options.verifier).run(options, path);
}

}  // namespace trireme::run
