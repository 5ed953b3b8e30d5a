// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/stream/recording.h"

#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>

#include "trireme/base/env.h"
#include "trireme/base/errors.h"
#include "trireme/record/recorder.h"
#include "trireme/record/stream/writer.h"

namespace trireme::record {
namespace {

void warn(const std::string& text) { std::fprintf(stderr, "trireme: warning: %s\n", text.c_str()); }

// Opens the file at the first event; then hands all on.
class LazyWriter final : public Observer {
 public:
  explicit LazyWriter(std::string path) : path_(std::move(path)) {}
  explicit LazyWriter(std::unique_ptr<stream::StreamWriter> writer)
      : writer_(std::move(writer)), open_(true) {}

  void call(const Call& call) override {
    if (ready()) writer_->call(call);
  }
  void outputs(uint64_t number, const CallForm& form,
               std::span<VirtualStorage* const> fresh) override {
    if (ready()) writer_->outputs(number, form, fresh);
  }
  void returned(uint64_t number, const CallForm& form,
                std::span<const c10::IValue> results) override {
    if (ready()) writer_->returned(number, form, results);
  }
  void failed(uint64_t number, const std::string& message) override {
    if (ready()) writer_->failed(number, message);
  }
  void released(const VirtualStorage& storage) override {
    if (writer_ && !forgotten_) writer_->released(storage);
  }
  void entered(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
               const at::Tensor& host, SiteId site) override {
    if (ready()) writer_->entered(storage, geometry, offset, host, site);
  }
  void resized(const VirtualStorage& storage, size_t nbytes) override {
    if (writer_ && !forgotten_) writer_->resized(storage, nbytes);
  }
  void read(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
            const at::Tensor& host, SiteId site) override {
    if (ready()) writer_->read(storage, geometry, offset, host, site);
  }

  std::string finish() { return writer_ ? writer_->finish() : ""; }
  void forget() { forgotten_ = true; }

 private:
  bool ready() {
    if (forgotten_) return false;
    if (!open_) {
      open_ = true;
      try {
        writer_ = std::make_unique<stream::StreamWriter>(path_);
      } catch (const std::exception& error) {
        warn(error.what());
      }
    }
    return writer_ != nullptr;
  }

  std::string path_;
  std::unique_ptr<stream::StreamWriter> writer_;
  bool open_ = false;
  bool forgotten_ = false;
};

struct Recording {
  std::mutex mutex;
  std::unique_ptr<LazyWriter> writer;
  LazyWriter* current = nullptr;  // for the fork handler, which may not lock
};

Recording& state() {
  static auto* instance = [] {
    ::pthread_atfork(nullptr, nullptr, &forget_recording);
    return new Recording;  // never freed: tensors are dropped while the process exits
  }();
  return *instance;
}

std::string with_process_number(std::string path) {
  for (size_t at = path.find("%p"); at != std::string::npos; at = path.find("%p", at)) {
    const std::string number = std::to_string(::getpid());
    path.replace(at, 2, number);
    at += number.size();
  }
  return path;
}

}  // namespace

void start_recording(const std::string& path) {
  Recording& recording = state();
  const std::lock_guard lock(recording.mutex);
  if (recording.writer) {
    throw Error(
        "a recording is under way (TRIREME_RECORD, or start_recording); stop it before another is "
        "started");
  }
  auto writer = std::make_unique<LazyWriter>(
      std::make_unique<stream::StreamWriter>(with_process_number(path)));
  recorder().add_observer_when_idle(writer.get());
  recording.writer = std::move(writer);
  recording.current = recording.writer.get();
}

void stop_recording() {
  Recording& recording = state();
  const std::lock_guard lock(recording.mutex);
  if (!recording.writer) return;
  recorder().remove_observer(recording.writer.get());
  recording.current = nullptr;
  const std::unique_ptr<LazyWriter> writer = std::move(recording.writer);
  const std::string error = writer->finish();
  if (!error.empty()) throw Error(error);
}

bool recording() {
  Recording& recording = state();
  const std::lock_guard lock(recording.mutex);
  return recording.writer != nullptr;
}

void record_from_environment() {
  const auto path = base::env_string("TRIREME_RECORD");
  if (!path) return;
  Recording& recording = state();
  const std::lock_guard lock(recording.mutex);
  if (recording.writer) return;
  recording.writer = std::make_unique<LazyWriter>(with_process_number(*path));
  recording.current = recording.writer.get();
  recorder().add_observer(recording.current);
}

void forget_recording() {
  if (state().current != nullptr) state().current->forget();
}

}  // namespace trireme::record
