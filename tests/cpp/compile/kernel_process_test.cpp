// SPDX-License-Identifier: Apache-2.0
// The process that compiles kernels: what it says, and what happens when it cannot.
#include "trireme/compile/code/kernel_process.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "trireme/compile/code/messages.h"
#include "trireme/graph/text/parse.h"

namespace trireme::compile::testing {
namespace {

graph::Graph doubling() {
  return graph::parse(R"(
    input %0: f32[4]
    %1: f32[4] = map (i0 < 4) { a0 = %0  return add(a0:f32, a0:f32) }
    output %1
  )");
}

void expect_doubles(const Module& module) {
  float in[4] = {1, 2, 3, 4};
  float out[4] = {};
  std::byte* buffers[] = {reinterpret_cast<std::byte*>(in), reinterpret_cast<std::byte*>(out)};
  module.function(name_of_step(0))(buffers, nullptr, nullptr, nullptr, 0, 4);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], 2 * in[i]);
}

const uint32_t kFirst[] = {0};

std::set<pid_t> kernel_processes() {
  std::set<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string name;
    std::ifstream(entry.path() / "comm") >> name;  // its first 15 letters; all, here
    if (name == "trireme-kernels") found.insert(std::stoi(entry.path().filename()));
  }
  return found;
}

TEST(KernelProcess, CompilesForThisProcess) {
  KernelProcess process(TRIREME_KERNELS);
  const Module first = process.compile(doubling(), true, kFirst);
  const Module second = process.compile(doubling(), true, kFirst);
  expect_doubles(first);
  expect_doubles(second);
  EXPECT_THROW(static_cast<void>(first.function("other")), CompileError);
}

TEST(KernelProcess, SaysWhatIsWrongAndGoesOn) {
  KernelProcess process(TRIREME_KERNELS);
  const uint32_t none[] = {7};
  EXPECT_THROW(process.compile(doubling(), true, none), CompileError);
  expect_doubles(process.compile(doubling(), true, kFirst));
}

TEST(KernelProcess, IsNoChildThatTheProgramCouldWaitFor) {
  KernelProcess process(TRIREME_KERNELS);
  expect_doubles(process.compile(doubling(), true, kFirst));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

// Linux may share out processors among sessions: in one of its own its low priority would mean
// nothing to the program. In a group of its own it gets none of the terminal's signals.
TEST(KernelProcess, IsInTheProgramsSessionButNotInItsGroup) {
  const std::set<pid_t> before = kernel_processes();
  KernelProcess process(TRIREME_KERNELS);
  expect_doubles(process.compile(doubling(), true, kFirst));
  // Any: another program may start one meanwhile.
  EXPECT_TRUE(std::ranges::any_of(kernel_processes(), [&](pid_t other) {
    return !before.contains(other) && ::getsid(other) == ::getsid(0) &&
           ::getpgid(other) != ::getpgid(0);
  }));
}

TEST(KernelProcess, AMissingProgramIsAnError) {
  KernelProcess process("/nowhere/trireme-kernels");
  EXPECT_THROW(process.compile(doubling(), true, kFirst), CompileError);
}

TEST(KernelProcess, OneThatEndsIsAnErrorOnce) {
  const std::string folder = ::testing::TempDir();
  const std::string program = folder + "trireme-kernels-that-end";
  const std::string mark = folder + "trireme-kernels-ended";
  ::unlink(mark.c_str());
  {
    std::ofstream script(program);
    script << "#!/bin/sh\nif [ -e " << mark << " ]; then exec " << TRIREME_KERNELS << "; fi\ntouch "
           << mark << "\n";
  }
  ASSERT_EQ(std::system(("chmod +x " + program).c_str()), 0);
  KernelProcess process(program);
  EXPECT_THROW(process.compile(doubling(), true, kFirst), CompileError);
  expect_doubles(process.compile(doubling(), true, kFirst));
  ::unlink(mark.c_str());
  ::unlink(program.c_str());
}

TEST(KernelMessages, RoundTrip) {
  const KernelRequest request{"a graph", true, {1, 5}, 4096, {{"fma", 77}}};
  const auto sent = decode_request(encode(request));
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->graph, request.graph);
  EXPECT_EQ(sent->fuses, request.fuses);
  EXPECT_EQ(sent->steps, request.steps);
  EXPECT_EQ(sent->base, request.base);
  EXPECT_EQ(sent->externals[0].name, "fma");
  EXPECT_EQ(sent->externals[0].address, 77);
  const KernelReply reply{{}, {{std::byte{1}, std::byte{2}}, 1, {{"k1", 9}}}};
  const auto got = decode_reply(encode(reply));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->image.bytes, reply.image.bytes);
  EXPECT_EQ(got->image.code_bytes, 1);
  EXPECT_EQ(got->image.entries, reply.image.entries);
  EXPECT_EQ(decode_reply(encode(KernelReply{"no", {}}))->error, "no");
}

TEST(KernelMessages, DamagedOnesAreRefused) {
  const auto whole = encode(KernelRequest{"a graph", true, {1, 5}, 4096, {{"fma", 77}}});
  for (size_t at = 0; at < whole.size(); ++at) {
    static_cast<void>(decode_request(std::span(whole).first(at)));
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      auto damaged = whole;
      damaged[at] ^= flip;
      static_cast<void>(decode_request(damaged));
      static_cast<void>(decode_reply(damaged));
    }
  }
  EXPECT_FALSE(decode_request({}).has_value());
}

TEST(KernelMessages, NobodyAtTheOtherEnd) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  ::close(ends[1]);
  EXPECT_FALSE(send_message(ends[0], encode(KernelReply{"no", {}})));  // and no signal
  EXPECT_EQ(receive_message(ends[0]), std::nullopt);
  ::close(ends[0]);
}

TEST(Code, RefusesWhatDoesNotFit) {
  EXPECT_THROW(Module(AddressRange(4096), Image{std::vector<std::byte>(8192), 4096, {}}),
               CompileError);
  EXPECT_THROW(Module(AddressRange(8192), Image{std::vector<std::byte>(8192), 4096, {{"k", 5000}}}),
               CompileError);
  EXPECT_THROW(Module(AddressRange(8192), Image{std::vector<std::byte>(8192), 100, {}}),
               CompileError);
}

}  // namespace
}  // namespace trireme::compile::testing
