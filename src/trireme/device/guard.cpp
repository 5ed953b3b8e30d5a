// SPDX-License-Identifier: Apache-2.0
// Device guard, streams and events. There is one device and one order of calls: every stream is
// that order.
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <chrono>

#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"

namespace trireme::device {
namespace {

using Clock = std::chrono::steady_clock;

// An event: a place in the stream, and the time at which the executor passed it.
struct EventState {
  std::atomic<uint64_t> number{0};
  std::atomic<Clock::rep> passed{0};
};
using EventPtr = std::shared_ptr<EventState>;

EventPtr& event_state(void* event) { return *static_cast<EventPtr*>(event); }

c10::Stream& current_stream() {
  thread_local c10::Stream stream(c10::Stream::DEFAULT, record::kDevice);
  return stream;
}

struct GuardImpl final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::DeviceType::PrivateUse1; }
  c10::Device exchangeDevice(c10::Device device) const override {
    record::check_device(device);
    return record::kDevice;
  }
  c10::Device getDevice() const override { return record::kDevice; }
  void setDevice(c10::Device device) const override { record::check_device(device); }
  void uncheckedSetDevice(c10::Device /*device*/) const noexcept override {}
  c10::Stream getStream(c10::Device /*device*/) const override { return current_stream(); }
  c10::Stream getDefaultStream(c10::Device /*device*/) const override {
    return c10::Stream(c10::Stream::DEFAULT, record::kDevice);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high*/) const override {
    return getNewStream(device, 0);
  }
  c10::Stream getNewStream(c10::Device /*device*/, int /*priority*/) const override {
    static std::atomic<c10::StreamId> next{1};
    return c10::Stream(c10::Stream::UNSAFE, record::kDevice, next.fetch_add(1));
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return std::exchange(current_stream(), stream);
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  bool queryStream(const c10::Stream& /*stream*/) const override {
    record::recorder().hooks().ensure_running();
    auto& queue = record::recorder().queue();
    return queue.executed() >= queue.appended();
  }
  void synchronizeStream(const c10::Stream& /*stream*/) const override {
    record::recorder().synchronize();
  }
  void synchronizeDevice(c10::DeviceIndex /*device*/) const override {
    record::recorder().synchronize();
  }

  void record(void** event, const c10::Stream& /*stream*/, c10::DeviceIndex /*device*/,
              c10::EventFlag /*flag*/) const override {
    if (*event == nullptr) *event = new EventPtr(std::make_shared<EventState>());
    EventPtr state = event_state(*event);
    state->passed.store(0);
    const uint64_t number = record::recorder().append_task(
        [state] { state->passed.store(Clock::now().time_since_epoch().count()); });
    state->number.store(number);
  }
  // Streams share one order: what is recorded later runs later anyway.
  void block(void* /*event*/, const c10::Stream& /*stream*/) const override {}
  bool queryEvent(void* event) const override {
    record::recorder().hooks().ensure_running();
    if (event == nullptr) return true;
    record::CallQueue& queue = record::recorder().queue();
    const uint64_t number = event_state(event)->number.load();
    if (queue.executed() >= number) return true;
    queue.demand(number);  // a program may ask until it is true
    return false;
  }
  void synchronizeEvent(void* event) const override {
    // Throws in a forked child, where nothing will pass the event.
    record::recorder().hooks().ensure_running();
    if (event != nullptr) record::recorder().queue().wait(event_state(event)->number.load());
  }
  void destroyEvent(void* event, c10::DeviceIndex /*device*/) const noexcept override {
    delete static_cast<EventPtr*>(event);
  }
  double elapsedTime(void* from, void* to, c10::DeviceIndex /*device*/) const override {
    TORCH_CHECK(from != nullptr && to != nullptr,
                "Both events must be recorded before calculating elapsed time.");
    TORCH_CHECK(
        queryEvent(from) && queryEvent(to),
        "Both events must be completed before calculating elapsed time; call synchronize() first.");
    const Clock::duration elapsed(event_state(to)->passed.load() -
                                  event_state(from)->passed.load());
    return std::chrono::duration<double, std::milli>(elapsed).count();
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, GuardImpl)

}  // namespace
}  // namespace trireme::device
