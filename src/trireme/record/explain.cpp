// SPDX-License-Identifier: Apache-2.0
// Who asks for the transcript: TRIREME_LOG, explain(), and the reader of a recording.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>

#include "trireme/base/env.h"
#include "trireme/base/errors.h"
#include "trireme/record/recorder.h"
#include "trireme/record/stream/reader.h"
#include "trireme/record/transcript.h"

namespace trireme::record {
namespace {

constexpr size_t kKeptLines = 1000;

std::string only_value(const at::Tensor& host) {
  if (host.numel() != 1) return "";
  try {
    const at::Scalar value = host.item();
    if (value.isComplex()) return "";
    if (!value.isFloatingPoint()) return std::to_string(value.toLong());
    char number[32];
    std::snprintf(number, sizeof(number), "%.9g", value.toDouble());
    return number;
  } catch (const c10::Error&) {
    return "";
  }
}

// Turns what an observer is told into lines.
class LineObserver : public Observer {
 public:
  LineObserver() : lines_(&describe_site) {}

  void call(const Call& call) override {
    lines_.note(call);
    line(lines_.call(call, call.completion != nullptr));
  }
  void outputs(uint64_t number, const CallForm& form,
               std::span<VirtualStorage* const> fresh) override {
    line(lines_.outputs(number, form, fresh));
  }
  void returned(uint64_t number, const CallForm& /*form*/,
                std::span<const c10::IValue> results) override {
    line(lines_.returned(number, results));
  }
  void failed(uint64_t number, const std::string& message) override {
    line(lines_.failed(number, message));
  }
  void released(const VirtualStorage& /*storage*/) override {}
  void entered(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
               const at::Tensor& /*host*/, SiteId site) override {
    line(lines_.moved("entered", storage, geometry, offset, "", describe_site(site)));
  }
  void resized(const VirtualStorage& storage, size_t nbytes) override {
    line(lines_.resized(storage, nbytes));
  }
  void read(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
            const at::Tensor& host, SiteId site) override {
    line(lines_.moved("read", storage, geometry, offset, only_value(host), describe_site(site)));
  }

 protected:
  virtual void line(std::string text) = 0;

 private:
  LineMaker lines_;
};

class LogFile final : public LineObserver {
 public:
  explicit LogFile(int file) : file_(file), process_(::getpid()) {}
  void note(const std::string& text) { line(text); }

 private:
  // One write a line: what is in the log has been recorded, should the program crash; lines of
  // several processes don't mix.
  void line(std::string text) override {
    if (::getpid() != process_) return;
    text += '\n';
    static_cast<void>(!::write(file_, text.data(), text.size()));
  }

  int file_;
  pid_t process_;
};

class KeptLines final : public LineObserver {
 public:
  void note(const std::string& text) { line(text); }
  std::string text() {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const std::string& line : kept_) all += line + '\n';
    return all;
  }

 private:
  void line(std::string text) override {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(text));
    if (kept_.size() > kKeptLines) kept_.pop_front();
  }

  std::mutex mutex_;
  std::deque<std::string> kept_;
};

struct Explain {
  std::mutex mutex;
  std::unique_ptr<KeptLines> lines;
  std::atomic<LogFile*> log{nullptr};  // never freed: calls are recorded while the process exits
  std::atomic<bool> wanted{false};     // one of them is there
};

Explain& explain_state() {
  static auto* instance = new Explain;  // never freed: calls are recorded while the process exits
  return *instance;
}

// Prints a recording's events.
class FileLines final : public stream::StreamHandler {
 public:
  FileLines(const std::string& path, const std::function<void(std::string_view)>& print)
      : reader_(path, *this),
        lines_([this](SiteId site) { return reader_.site(site); }),
        print_(print) {}

  void run() {
    while (reader_.next()) {
    }
    if (!reader_.complete()) print_("(the recording ends early)");
  }

  void call(Call& call, bool awaited, const stream::GlobalState& /*state*/) override {
    lines_.note(call);
    print_(lines_.call(call, awaited));
  }
  void outputs(uint64_t number, const CallForm& form,
               std::span<VirtualStorage* const> fresh) override {
    print_(lines_.outputs(number, form, fresh));
  }
  void returned(uint64_t number, std::span<const c10::IValue> values) override {
    print_(lines_.returned(number, values));
  }
  void failed(uint64_t number, const std::string& message) override {
    print_(lines_.failed(number, message));
  }
  void resized(VirtualStorage& storage, size_t nbytes) override {
    print_(lines_.resized(storage, nbytes));
  }
  void entered(VirtualStorage& storage, const Geometry& geometry,
               stream::PayloadSource& /*data*/) override {
    print_(lines_.moved("entered", storage, geometry, geometry.offset, "", ""));
  }
  void read(VirtualStorage& storage, const Geometry& geometry, stream::PayloadSource& /*data*/,
            SiteId site) override {
    print_(lines_.moved("read", storage, geometry, geometry.offset, "", reader_.site(site)));
  }

 private:
  stream::StreamReader reader_;
  LineMaker lines_;
  const std::function<void(std::string_view)>& print_;
};

}  // namespace

void log_from_environment() {
  const auto path = base::env_string("TRIREME_LOG");
  Explain& state = explain_state();
  if (!path || state.log != nullptr) return;
  int file = STDERR_FILENO;
  if (*path != "stderr" && *path != "-") {
    file = ::open(path->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) throw Error("TRIREME_LOG: cannot write " + *path + ": " + std::strerror(errno));
  }
  state.log = new LogFile(file);
  state.wanted = true;
  recorder().add_observer(state.log);
}

void enable_explain(bool enable) {
  Explain& state = explain_state();
  const std::lock_guard lock(state.mutex);
  if (enable == (state.lines != nullptr)) return;
  if (enable) {
    state.lines = std::make_unique<KeptLines>();
    recorder().add_observer(state.lines.get());
  } else {
    recorder().remove_observer(state.lines.get());
    state.lines.reset();
  }
  state.wanted = state.lines != nullptr || state.log != nullptr;
}

bool lines_wanted() { return explain_state().wanted.load(std::memory_order_relaxed); }

void note_line(const std::string& text) {
  Explain& state = explain_state();
  if (LogFile* log = state.log) log->note(text);
  const std::lock_guard lock(state.mutex);
  if (state.lines) state.lines->note(text);
}

void explain_from_environment() {
  if (base::env_flag("TRIREME_EXPLAIN")) enable_explain(true);
}

std::string explain() {
  Explain& state = explain_state();
  const std::lock_guard lock(state.mutex);
  if (!state.lines) {
    return "nothing is kept: call trireme.explain(enable=True) before the calls you want to see, "
           "or set "
           "TRIREME_EXPLAIN=1 (TRIREME_LOG=FILE writes all calls to a file)\n";
  }
  return state.lines->text();
}

void explain_file(const std::string& path, const std::function<void(std::string_view)>& print) {
  FileLines(path, print).run();
}

}  // namespace trireme::record
