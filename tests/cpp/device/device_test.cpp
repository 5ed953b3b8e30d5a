// SPDX-License-Identifier: Apache-2.0
// The device as C++ programs see it, several threads recording at once.
#include "trireme/device/register.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "trireme/record/recorder.h"

namespace trireme::device {
namespace {

class Device : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { register_device(); }
  static at::Tensor on_device(const at::Tensor& host) {
    return host.to(c10::Device(c10::DeviceType::PrivateUse1, 0));
  }
};

TEST_F(Device, ValuesAreTheCpus) {
  const at::Tensor a = at::arange(12, at::kFloat).view({3, 4});
  const at::Tensor b = at::arange(20, at::kFloat).view({4, 5});
  for (int i = 0; i < 3; ++i) {
    const at::Tensor got = at::softmax(on_device(a).matmul(on_device(b)).t().add(1), 0).cpu();
    EXPECT_TRUE(at::equal(got, at::softmax(a.matmul(b).t().add(1), 0)));
  }
}

TEST_F(Device, WritesThroughViewsReachTheBase) {
  at::Tensor host = at::zeros({4, 4});
  at::Tensor tensor = on_device(host);
  for (auto* target : {&host, &tensor}) {
    target->select(1, 2).add_(3);
    target->t()[0].mul_(2).sub_(1);
  }
  EXPECT_TRUE(at::equal(tensor.cpu(), host));
}

TEST_F(Device, SecondCallOfASignatureIsNotAwaited) {
  at::Tensor tensor = on_device(at::ones({5}));
  tensor.add_(1);
  const auto before = record::recorder().counters();
  for (int i = 0; i < 10; ++i) tensor.add_(i);
  const auto after = record::recorder().counters();
  EXPECT_EQ(after.cache_hits - before.cache_hits, 10U);
  EXPECT_EQ(after.awaited, before.awaited);
  EXPECT_EQ(tensor[0].item<float>(), 2 + 45);
}

// An index that only execution can find: the reader is told, everything else stays right.
TEST_F(Device, ErrorsAreToldWhereTheyAreWaitedFor) {
  const at::Tensor weight = on_device(at::ones({4, 2}));
  const at::Tensor wrong = on_device(at::full({1}, 9, at::kLong));
  for (int i = 0; i < 2; ++i) {
    const at::Tensor spoiled = at::embedding(weight, wrong).add(1);
    const at::Tensor right = weight.add(1);
    EXPECT_THROW(spoiled.cpu(), c10::IndexError);
    EXPECT_EQ(right.sum().item<float>(), 16);
  }
  record::recorder().synchronize();
}

TEST_F(Device, ThreadsRecordAtOnce) {
  const at::Tensor shared = on_device(at::ones({8}));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&shared, t] {
      at::Tensor own = at::zeros({8}, shared.options());
      for (int i = 0; i < 300; ++i) own = own.add(shared).mul(1);
      own.add_(t);
      EXPECT_EQ(own.sum().item<float>(), 8.0F * (300.0F + static_cast<float>(t)));
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace trireme::device
