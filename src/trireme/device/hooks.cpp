// SPDX-License-Identifier: Apache-2.0
// What PyTorch asks of the backend as a whole.
#include <ATen/detail/PrivateUse1HooksInterface.h>

#include "trireme/device/allocator.h"
#include "trireme/device/generator.h"
#include "trireme/device/register.h"
#include "trireme/device/storage_resize.h"
#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"

namespace trireme::device {
namespace {

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex /*device*/) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  void setCurrentDevice(c10::DeviceIndex /*device*/) const override {}
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex /*device*/) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex /*device*/) const override { return 0; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex /*device*/) const override {
    return default_generator();
  }
  at::Generator getNewGenerator(c10::DeviceIndex /*device*/) const override {
    return make_generator();
  }
  at::Device getDeviceFromPtr(void* data) const override {
    const bool ours = record::recorder().addresses().contains(data);
    return ours ? record::kDevice : at::Device(at::DeviceType::CPU);
  }
  bool isPinnedPtr(const void* data) const override { return is_pinned(data); }
  at::Allocator* getPinnedMemoryAllocator() const override { return pinned_allocator(); }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t nbytes) const override {
    resize_storage(storage, nbytes);
  }
};

}  // namespace

void register_hooks() { at::RegisterPrivateUse1HooksInterface(new Hooks); }

}  // namespace trireme::device
