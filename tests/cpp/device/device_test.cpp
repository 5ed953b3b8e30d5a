// SPDX-License-Identifier: Apache-2.0
// The device as C++ programs see it, several threads recording at once.
#include "trireme/device/register.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "trireme/record/observer.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/host_allocator.h"

namespace trireme::device {
namespace {

class Device : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    c10::register_privateuse1_backend("trireme");  // as the Python package does
    register_device();
  }
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
  for (int i = 1; i <= 10; ++i) tensor.add_(i);
  const auto after = record::recorder().counters();
  EXPECT_EQ(after.cache_hits - before.cache_hits, 10U);
  EXPECT_EQ(after.awaited, before.awaited);
  EXPECT_EQ(tensor[0].item<float>(), 2 + 55);
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

// Threads that fail and threads that do not: each is told of its own errors, and of no other's.
TEST_F(Device, ErrorsOfThreadsStayApart) {
  const at::Tensor weight = on_device(at::ones({4, 2}));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&weight, t] {
      const at::Tensor index = on_device(at::full({1}, t % 2 == 0 ? 9 : 1, at::kLong));
      for (int i = 0; i < 50; ++i) {
        const at::Tensor row = at::embedding(weight, index).mul(2);
        if (t % 2 == 0) {
          EXPECT_THROW(row.cpu(), c10::IndexError);
        } else {
          EXPECT_EQ(row.sum().item<float>(), 4);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  record::recorder().synchronize();
}

// Poison goes where the data goes, through views and in-place writes, and is gone when all of the
// storage is written anew.
TEST_F(Device, PoisonFollowsTheData) {
  const at::Tensor weight = on_device(at::ones({4, 2}));
  const at::Tensor wrong = on_device(at::full({1}, 9, at::kLong));
  at::Tensor target = on_device(at::zeros({2, 2}));
  const at::Tensor row = target[0];
  for (int i = 0; i < 2; ++i) {
    row.copy_(at::embedding(weight, wrong)[0]);
    EXPECT_THROW(target.sum().item(), c10::IndexError);
    row.fill_(1);  // the other row could be spoiled as well
    EXPECT_THROW(target.cpu(), c10::IndexError);
    target.fill_(3);
    EXPECT_EQ(target.sum().item<float>(), 12);
  }
  record::recorder().synchronize();
}

// A program that feeds data faster than the executor uses it holds little more than what eager
// would.
TEST_F(Device, DataThatEntersIsBounded) {
  const at::Tensor host = at::ones({1024, 1024});  // 4 MiB
  const at::Tensor weight = on_device(at::ones({1024, 1024}));
  at::Tensor sum = at::zeros({}, weight.options());
  auto& allocator = run::HostAllocator::instance();
  record::recorder().synchronize();
  allocator.reset_peak();
  const size_t before = allocator.stats().allocated_bytes.current;
  for (int i = 0; i < 40; ++i) sum.add_(on_device(host).mm(weight).sum());
  EXPECT_EQ(sum.item<float>(), 40.0F * 1024 * 1024 * 1024);
  const size_t most = allocator.stats().allocated_bytes.peak - before;
  // one input and one product in use, and what may be ahead
  EXPECT_LE(most, record::BytesAhead::kLimit + (size_t{9} << 20U));
}

// Backward runs on autograd's own thread for the device, while other threads record.
TEST_F(Device, BackwardWhileOthersRecord) {
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([] {
      const at::Tensor weight = on_device(at::ones({6, 6})).requires_grad_();
      for (int i = 0; i < 30; ++i) {
        at::Tensor loss = weight.mm(weight).tanh().sum();
        loss.backward();
      }
      const at::Tensor host = at::ones({6, 6}).requires_grad_();
      host.mm(host).tanh().sum().backward();
      EXPECT_TRUE(at::allclose(weight.grad().cpu(), host.grad() * 30));
    });
  }
  for (auto& thread : threads) thread.join();
}

// Everything the stream tells, from several threads at once, in the stream's order.
TEST_F(Device, ObserverSeesOneStream) {
  class Counting final : public record::Observer {
   public:
    void call(const record::Call& call) override {
      EXPECT_GT(call.number, last);
      last = call.number;
      ++calls;
    }
    void outputs(uint64_t, const record::CallForm&,
                 std::span<record::VirtualStorage* const>) override {}
    void returned(uint64_t, const record::CallForm&, std::span<const c10::IValue>) override {}
    void failed(uint64_t, const std::string&) override {}
    void released(const record::VirtualStorage&) override { ++released_storages; }
    void entered(const record::VirtualStorage&, const record::Geometry&, int64_t, const at::Tensor&,
                 record::SiteId) override {
      ++entries;
    }
    void resized(const record::VirtualStorage&, size_t) override {}
    void read(const record::VirtualStorage&, const record::Geometry&, int64_t, const at::Tensor&,
              record::SiteId) override {
      ++reads;
    }
    uint64_t last = 0;
    int calls = 0;
    int released_storages = 0;
    int entries = 0;
    int reads = 0;
  };
  static constexpr int kThreads = 3;
  static constexpr int kSteps = 100;
  Counting observer;
  record::recorder().add_observer_when_idle(&observer);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([] {
      at::Tensor own = on_device(at::zeros({3}));
      for (int i = 0; i < kSteps; ++i) own.add_(1);
      EXPECT_EQ(own.cpu()[0].item<float>(), kSteps);
    });
  }
  for (auto& thread : threads) thread.join();
  record::recorder().remove_observer(&observer);
  EXPECT_EQ(observer.calls, kThreads * kSteps);
  EXPECT_EQ(observer.entries, kThreads);
  EXPECT_EQ(observer.reads, kThreads);
  EXPECT_EQ(observer.released_storages, kThreads);
}

}  // namespace
}  // namespace trireme::device
