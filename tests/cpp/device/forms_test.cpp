// SPDX-License-Identifier: Apache-2.0
// Known forms come and go while several threads record: CTest runs this with room for few forms
// (TRIREME_FORMS), so that they are dropped many times.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "trireme/device/register.h"
#include "trireme/record/recorder.h"

namespace trireme::device {
namespace {

const at::Device kHere(c10::DeviceType::PrivateUse1, 0);

TEST(Forms, AreDroppedWhileThreadsRecord) {
  register_device();
  constexpr int kThreads = 3;
  constexpr int kShapes = 200;
  std::vector<std::thread> threads;
  std::vector<int> wrong(kThreads, 0);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t, &wrong] {
      for (int i = 1; i <= kShapes; ++i) {
        const at::Tensor host = at::full({i, t + 1}, 1.0 / i);
        at::Tensor x = host.to(kHere);
        // The second round finds forms that the first has made, where no other thread dropped them.
        for (int round = 0; round < 2; ++round) {
          const at::Tensor y = x.mul(2).add(x).sum(0);
          if (!at::equal(y.cpu(), host.mul(2).add(host).sum(0))) ++wrong[t];
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(kThreads, 0));
}

TEST(Forms, OfATypedKernelIsTheBoxedCallsForm) {
  register_device();
  const at::Tensor x = at::ones({3, 5}).to(kHere);
  const at::Tensor w = at::ones({7, 5}).to(kHere);
  const at::Tensor index = at::arange(3, at::kLong).to(kHere);
  const auto program = [&] {
    at::Tensor y = at::softmax(at::linear(x, w), -1).slice(1, 0, 6);
    y = at::layer_norm(y, {6}).index_select(0, index).add(1, 0.5);
    y = at::cat({y, y.clone()}, 1).clamp_min(0.25);
    at::Tensor written = at::zeros_like(y);
    written.add_(y, 2).mul_(y).index_put_({index}, y);
    return at::stack({written, y.relu()}).sum({0, 1}, /*keepdim=*/false);
  };
  program();  // twice: the test before has filled the cache, which may drop forms once
  const at::Tensor first = program();
  record::recorder().synchronize();
  const auto before = record::recorder().counters();
  const at::Tensor second = program();
  record::recorder().synchronize();
  const auto after = record::recorder().counters();
  EXPECT_EQ(after.cache_misses, before.cache_misses);
  EXPECT_GT(after.cache_hits, before.cache_hits + 10);
  EXPECT_TRUE(at::equal(first.cpu(), second.cpu()));
}

}  // namespace
}  // namespace trireme::device
