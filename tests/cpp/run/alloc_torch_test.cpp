// SPDX-License-Identifier: Apache-2.0
// The host allocator in PyTorch's place of the CPU allocator.
#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "trireme/run/alloc/c10_adapter.h"
#include "trireme/run/alloc/host_allocator.h"

namespace trireme::run {
namespace {

bool owned(const at::Tensor& tensor) {
  return HostAllocator::instance().owns(tensor.storage().data());
}

at::Tensor made_inside(at::IntArrayRef sizes) {
  const HostAllocatorScope scope;
  return at::empty(sizes);
}

class HostAllocatorInTorch : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(install_cpu_allocator());
    ASSERT_TRUE(install_cpu_allocator());
    before_ = HostAllocator::instance().stats().allocations.current;
  }
  void TearDown() override {
    EXPECT_EQ(HostAllocator::instance().stats().allocations.current, before_);
  }

 private:
  uint64_t before_ = 0;
};

TEST_F(HostAllocatorInTorch, ServesThreadsInAScopeOnly) {
  EXPECT_FALSE(owned(at::empty({10})));
  EXPECT_TRUE(owned(made_inside({10})));
  {
    const HostAllocatorScope outer;
    {
      const HostAllocatorScope inner;
      EXPECT_TRUE(HostAllocatorScope::active());
    }
    EXPECT_TRUE(owned(at::empty({1000000})));
    std::thread([] {
      EXPECT_FALSE(HostAllocatorScope::active());
      EXPECT_FALSE(owned(at::empty({10})));
    }).join();
  }
  EXPECT_FALSE(HostAllocatorScope::active());
  EXPECT_FALSE(owned(at::empty({10})));
}

TEST_F(HostAllocatorInTorch, ComputesTheSame) {
  const at::Tensor a = at::arange(10000, at::kFloat).reshape({100, 100});
  const at::Tensor expected = at::matmul(a, a).relu().sum(1);
  const HostAllocatorScope scope;
  const at::Tensor b = a.clone();
  EXPECT_TRUE(owned(b));
  EXPECT_TRUE(at::equal(at::matmul(b, b).relu().sum(1), expected));
}

TEST_F(HostAllocatorInTorch, MemoryIsFreedOnEitherSide) {
  at::Tensor inside = made_inside({1000});
  at::Tensor outside = at::empty({1000});
  std::thread([tensor = std::move(inside)]() mutable { tensor.reset(); }).join();
  const HostAllocatorScope scope;
  outside.reset();
}

TEST_F(HostAllocatorInTorch, ResizesAcrossTheScope) {
  at::Tensor inside = made_inside({4}).fill_(3);
  inside.resize_({100000});
  EXPECT_FALSE(owned(inside));
  EXPECT_EQ(inside[3].item<float>(), 3);
  at::Tensor outside = at::full({4}, 5.0F);
  {
    const HostAllocatorScope scope;
    outside.resize_({100000});
    EXPECT_TRUE(owned(outside));
    inside.resize_({200000});
    EXPECT_TRUE(owned(inside));
  }
  EXPECT_EQ(outside[3].item<float>(), 5);
  EXPECT_EQ(inside[3].item<float>(), 3);
}

TEST_F(HostAllocatorInTorch, EmptyTensorsHaveNoMemory) {
  at::Tensor empty = made_inside({0});
  EXPECT_EQ(empty.storage().data(), nullptr);
  empty.resize_({10});
  EXPECT_FALSE(owned(empty));
}

TEST_F(HostAllocatorInTorch, OneDeleterServesAllBlocks) {
  c10::Allocator* const cpu = c10::GetCPUAllocator();
  const at::Tensor inside = made_inside({10});
  const at::Tensor outside = at::empty({10});
  EXPECT_EQ(inside.storage().data_ptr().get_deleter(), cpu->raw_deleter());
  EXPECT_EQ(outside.storage().data_ptr().get_deleter(), cpu->raw_deleter());
  EXPECT_EQ(host_allocator()->raw_deleter(), cpu->raw_deleter());
  void* const other = cpu->raw_allocate(100);
  std::optional<HostAllocatorScope> scope(std::in_place);
  void* const own = cpu->raw_allocate(100);
  cpu->raw_deallocate(other);
  scope.reset();
  EXPECT_TRUE(HostAllocator::instance().owns(own));
  EXPECT_FALSE(HostAllocator::instance().owns(other));
  cpu->raw_deallocate(own);
}

TEST_F(HostAllocatorInTorch, ClonesData) {
  c10::DataPtr data = host_allocator()->allocate(5);
  EXPECT_EQ(data.device(), c10::Device(c10::kCPU));
  EXPECT_TRUE(host_allocator()->is_simple_data_ptr(data));
  std::memcpy(data.get(), "oars", 5);
  const c10::DataPtr copy = host_allocator()->clone(data.get(), 5);
  EXPECT_NE(copy.get(), data.get());
  EXPECT_STREQ(static_cast<const char*>(copy.get()), "oars");
}

TEST_F(HostAllocatorInTorch, OverTheLimitIsTorchsError) {
  HostAllocator& allocator = HostAllocator::instance();
  allocator.set_limit(size_t{1} << 20);
  try {
    made_inside({1 << 20});
    ADD_FAILURE() << "no error";
  } catch (const c10::OutOfMemoryError& error) {
    EXPECT_NE(std::string(error.what())
                  .find("Tried to allocate 4.00 MiB. The device has a limit of "
                        "1.00 MiB"),
              std::string::npos)
        << error.what();
  }
  EXPECT_FALSE(owned(at::empty({1 << 20})));
  allocator.set_limit(std::nullopt);
  EXPECT_TRUE(owned(made_inside({1 << 20})));
}

class Reports : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* pointer, int64_t bytes, size_t, size_t,
                         c10::Device device) override {
    EXPECT_EQ(device, c10::Device(c10::kCPU));
    EXPECT_NE(pointer, nullptr);
    sum += bytes;
    ++count;
  }
  void reportOutOfMemory(int64_t, size_t, size_t, c10::Device) override { ++ooms; }
  bool memoryProfilingEnabled() const override { return true; }

  int64_t sum = 0;
  int count = 0;
  int ooms = 0;
};

TEST_F(HostAllocatorInTorch, ReportsToTheProfiler) {
  const auto reports = std::make_shared<Reports>();
  {
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, reports);
    at::Tensor inside = made_inside({1000});
    EXPECT_GE(reports->sum, 4000);
    EXPECT_EQ(reports->count, 1);
    inside.reset();
    EXPECT_EQ(reports->sum, 0);
    at::empty({1000}).reset();
    EXPECT_EQ(reports->sum, 0);
    EXPECT_EQ(reports->count, 4);
    HostAllocator::instance().set_limit(0);
    EXPECT_THROW(made_inside({1000}), c10::OutOfMemoryError);
    HostAllocator::instance().set_limit(std::nullopt);
  }
  EXPECT_EQ(reports->ooms, 1);
}

}  // namespace
}  // namespace trireme::run
