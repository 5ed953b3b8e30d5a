// SPDX-License-Identifier: Apache-2.0
// Numbers of what storages hold: what compiled programs keep of inputs depends on them.
#include <ATen/ATen.h>
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>

#include <set>

#include "trireme/device/register.h"
#include "trireme/record/recorder.h"
#include "trireme/run/reference_executor.h"

namespace trireme::device {
namespace {

class Version : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    c10::register_privateuse1_backend("trireme");
    register_device();
  }

  static at::Tensor on_device(const at::Tensor& host) {
    return host.to(c10::Device(c10::DeviceType::PrivateUse1, 0));
  }

  // Nothing is pending then, so the storage is this thread's to look at.
  static uint64_t of(const at::Tensor& tensor) {
    record::recorder().synchronize();
    return run::version_of(record::require_storage(*tensor.unsafeGetTensorImpl()));
  }
};

TEST_F(Version, StaysWhileAStorageIsOnlyRead) {
  const at::Tensor weight = on_device(at::randn({8, 8}));
  const at::Tensor input = on_device(at::randn({2, 8}));
  const uint64_t before = of(weight);
  EXPECT_NE(before, 0U);
  for (int i = 0; i < 3; ++i) static_cast<void>(at::linear(input, weight).relu());
  static_cast<void>(weight.t().contiguous());
  EXPECT_EQ(of(weight), before);
}

TEST_F(Version, ChangesWithEachWayToWrite) {
  at::Tensor weight = on_device(at::randn({8, 8}));
  std::set<uint64_t> seen{of(weight)};
  const auto changed = [&](const char* how) {
    EXPECT_TRUE(seen.insert(of(weight)).second) << how;
    EXPECT_FALSE(seen.contains(0)) << how;
  };
  for (int i = 0; i < 3; ++i) {
    weight.add_(1);
    changed("in place");
    weight.t()[1].mul_(2);
    changed("through a view");
    weight.copy_(at::randn({8, 8}));
    changed("a copy from the host");
    weight.copy_(on_device(at::randn({8, 8})));
    changed("a copy from the device");
    weight.detach().zero_();
    changed("by an alias");
    at::add_out(weight, weight, weight);
    changed("an argument for the result");
    weight.resize_({8, 9 + i});
    weight.resize_({8, 8});
    changed("another size");
  }
}

TEST_F(Version, IsOneStoragesOnly) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 20; ++i) {
    // Its memory is that of the one before.
    const at::Tensor tensor = on_device(at::randn({1000}));
    EXPECT_TRUE(seen.insert(of(tensor)).second);
    const at::Tensor made = tensor.add(1);
    EXPECT_TRUE(seen.insert(of(made)).second);
  }
  EXPECT_FALSE(seen.contains(0));
}

TEST_F(Version, IsUnknownWhereSomebodyElseHasTheMemory) {
  const at::Tensor weight = on_device(at::randn({8, 8}));
  const uint64_t before = of(weight);
  {
    const c10::Storage shared = record::require_storage(*weight.unsafeGetTensorImpl()).memory;
    EXPECT_EQ(of(weight), 0U);
  }
  EXPECT_EQ(of(weight), before);
}

}  // namespace
}  // namespace trireme::device
