// SPDX-License-Identifier: Apache-2.0
// torch.profiler's view of the device: how long the executor worked for each op of the program.
// Time is taken by tasks in the stream, before and after what an op recorded.
#define USE_KINETO  // how PyTorch was built; its header asks
#include <kineto/libkineto.h>
#include <torch/csrc/profiler/standalone/privateuse1_profiler.h>
#include <torch/csrc/profiler/stubs/base.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "trireme/record/recorder.h"

namespace trireme::device {
namespace {

using libkineto::ActivityType;

constexpr int64_t kAfterProcesses =
    5'000'000;  // above any process number: the device's track comes last

int64_t now() {
  const auto time =
      std::chrono::system_clock::now().time_since_epoch();  // as kineto's other events
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

// A place in the stream and the time at which the executor passed it.
struct Stamp {
  std::atomic<int64_t> time{0};
  uint64_t number = 0;
};
using StampPtr = std::shared_ptr<Stamp>;

StampPtr stamp() {
  auto made = std::make_shared<Stamp>();
  made->number = record::recorder().append_task([made] { made->time.store(now()); });
  return made;
}

void wait_for_all() {
  auto& queue = record::recorder().queue();
  queue.wait(queue.appended());
}

// What the executor did for one op.
struct Span {
  uint64_t correlation = 0;
  StampPtr begin;
  StampPtr end;
};

// An op of the program that has begun on this thread.
struct Frame {
  uint64_t session = 0;
  uint64_t correlation = 0;
  StampPtr begin;
  uint64_t calls = 0;  // recorded before
  bool shown = false;  // by an op inside it
};

std::vector<Frame>& open_frames() {
  thread_local std::vector<Frame> frames;
  return frames;
}

// All threads' together: where several record at once, an op that records nothing may be shown with
// no time.
uint64_t calls_so_far() { return record::recorder().counters().calls; }

class Session final : public libkineto::IActivityProfilerSession {
 public:
  Session() = default;
  ~Session() override { stop(); }

  void start() override {
    if (!record::recorder().alive() && !start_executor()) return;
    record::recorder().append_task([this] { executor_ = std::this_thread::get_id(); });
    wait_for_all();
    status_ = libkineto::TraceStatus::RECORDING;
    recording_.store(true);
  }

  void stop() override {
    if (!recording_.exchange(false)) return;
    wait_for_all();
    status_ = libkineto::TraceStatus::PROCESSING;
  }

  std::vector<std::string> errors() override { return {}; }

  void processTrace(libkineto::ActivityLogger& logger) override {
    processTrace(logger, nullptr, 0, INT64_MAX);
  }

  void processTrace(libkineto::ActivityLogger& logger, libkineto::getLinkedActivityCallback linked,
                    int64_t start, int64_t end) override {
    const std::lock_guard lock(mutex_);
    buffer_ = std::make_unique<libkineto::CpuTraceBuffer>();
    buffer_->span = libkineto::TraceSpan(start, end, "trireme");
    for (const Span& span : spans_) {
      const int64_t begin = span.begin->time.load();
      const int64_t finish = span.end->time.load();
      if (begin == 0 || finish == 0 || begin < start || finish > end) continue;
      const auto* op = linked ? linked(static_cast<int32_t>(span.correlation)) : nullptr;
      buffer_->emplace_activity(buffer_->span, ActivityType::CONCURRENT_KERNEL,
                                op != nullptr ? op->name() : std::string("call"));
      auto& activity = *buffer_->activities.back();
      activity.startTime = begin;
      activity.endTime = finish;
      activity.id = static_cast<int32_t>(span.correlation);
      activity.device = 0;
      activity.resource = 0;
      activity.threadId = libkineto::threadId();
      activity.flow.id = static_cast<uint32_t>(span.correlation);
      activity.flow.type = libkineto::kLinkAsyncCpuGpu;
      activity.flow.start = 0;
      activity.linked = op;
      activity.log(logger);
    }
    spans_.clear();
  }

  std::unique_ptr<libkineto::DeviceInfo> getDeviceInfo() override {
    return std::make_unique<libkineto::DeviceInfo>(
        libkineto::DeviceInfo{0, kAfterProcesses, "trireme:0", "trireme:0"});
  }
  std::vector<libkineto::ResourceInfo> getResourceInfos() override {
    return {{0, 0, 0, "executor"}};
  }
  std::unique_ptr<libkineto::CpuTraceBuffer> getTraceBuffer() override {
    return std::move(buffer_);
  }

  void pushCorrelationId(uint64_t id) override {
    if (!on_program_thread()) return;
    open_frames().push_back({number_, id, stamp(), calls_so_far(), false});
  }

  void popCorrelationId() override {
    if (!on_program_thread()) return;
    std::vector<Frame>& frames = open_frames();
    while (!frames.empty() && frames.back().session != number_)
      frames.pop_back();  // of a session cut short
    if (frames.empty()) return;
    const Frame frame = std::move(frames.back());
    frames.pop_back();
    bool shown = frame.shown;
    if (!shown && calls_so_far() > frame.calls) {
      Span span{frame.correlation, frame.begin, stamp()};
      const std::lock_guard lock(mutex_);
      spans_.push_back(std::move(span));
      shown = true;
    }
    if (shown && !frames.empty()) frames.back().shown = true;
  }

 private:
  static bool start_executor() {
    try {
      record::recorder().hooks().ensure_running();
      return true;
    } catch (const c10::Error&) {  // a forked child: the device is not to be used
      return false;
    }
  }

  // A task appended by the executor could find the queue full, and would wait for itself.
  bool on_program_thread() const {
    return recording_.load() && std::this_thread::get_id() != executor_;
  }

  static uint64_t next_number() {
    static std::atomic<uint64_t> next{1};
    return next.fetch_add(1);
  }

  const uint64_t number_ = next_number();
  std::atomic<bool> recording_{false};
  std::thread::id executor_;
  std::mutex mutex_;
  std::vector<Span> spans_;
  std::unique_ptr<libkineto::CpuTraceBuffer> buffer_;
};

class Profiler final : public libkineto::IActivityProfiler {
 public:
  const std::string& name() const override { return name_; }
  const std::set<ActivityType>& availableActivities() const override { return types_; }
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      const std::set<ActivityType>& wanted, const libkineto::Config& /*config*/) override {
    if (!wanted.contains(ActivityType::CONCURRENT_KERNEL)) return nullptr;
    return std::make_unique<Session>();
  }
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      int64_t /*start_ms*/, int64_t /*duration_ms*/, const std::set<ActivityType>& wanted,
      const libkineto::Config& config) override {
    return configure(wanted, config);
  }

 private:
  std::string name_ = "trireme";
  std::set<ActivityType> types_ = {ActivityType::CONCURRENT_KERNEL};
};

REGISTER_PRIVATEUSE1_PROFILER(Profiler);

// For torch.autograd.profiler.profile(use_device=..., use_kineto=False): each op's own time on the
// device.
struct Stubs final : torch::profiler::impl::ProfilerStubs {
  void record(c10::DeviceIndex* device, torch::profiler::impl::ProfilerVoidEventStub* event,
              int64_t* cpu_ns) const override {
    if (device != nullptr) *device = 0;
    if (cpu_ns != nullptr) *cpu_ns = now();
    *event = stamp();
  }
  float elapsed(const torch::profiler::impl::ProfilerVoidEventStub* from,
                const torch::profiler::impl::ProfilerVoidEventStub* to) const override {
    const auto* begin = static_cast<const Stamp*>(from->get());
    const auto* end = static_cast<const Stamp*>(to->get());
    record::recorder().queue().wait(std::max(begin->number, end->number));
    return static_cast<float>(end->time.load() - begin->time.load()) / 1000.0F;  // microseconds
  }
  void mark(const char* /*name*/) const override {}
  void rangePush(const char* /*name*/) const override {}
  void rangePop() const override {}
  bool enabled() const override { return true; }
  void onEachDevice(std::function<void(int)> op) const override { op(0); }
  void synchronize() const override { wait_for_all(); }
};

[[maybe_unused]] const bool kRegistered = [] {
  torch::profiler::impl::registerPrivateUse1Methods(new Stubs);  // kept for the life of the process
  return true;
}();

}  // namespace
}  // namespace trireme::device
