// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/code/kernel_process.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "trireme/compile/code/messages.h"
#include "trireme/graph/text/print.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX wants it

namespace trireme::compile {
namespace {

constexpr size_t kAddresses = size_t{256}
                              << 20U;  // of a request's code; what is not used goes back

}  // namespace

KernelProcess::~KernelProcess() { stop(); }

void KernelProcess::stop() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void KernelProcess::start() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw CompileError(std::string("no socket to compile kernels over: ") + std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  // Not the program's files and sockets: they would stay open as long as it runs.
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  char* arguments[] = {program_.data(), nullptr};
  pid_t child = 0;
  const int problem =
      ::posix_spawn(&child, program_.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (problem != 0) {
    ::close(ends[0]);
    throw CompileError("cannot run " + program_ + " (" + std::strerror(problem) +
                       "); install Trireme again, or set TRIREME_COMPILE=0");
  }
  // It leaves a process of its own behind and ends at once.
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  socket_ = ends[0];
  owner_ = ::getpid();
}

Module KernelProcess::compile(const graph::Graph& graph, bool fuses,
                              std::span<const uint32_t> steps, base::Pace* pace) {
  AddressRange range(kAddresses);
  const std::vector<uint8_t> request =
      encode({graph::print(graph), fuses, {steps.begin(), steps.end()}, range.base(), externals()});
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0 && owner_ != ::getpid()) stop();
  // One that had nothing to do has ended: then it is started again.
  for (const bool again : {false, true}) {
    const bool fresh = socket_ < 0;
    if (fresh) start();
    std::optional<std::vector<uint8_t>> answer;
    if (send_message(socket_, request)) answer = receive_message(socket_);
    if (answer) {
      auto reply = decode_reply(*answer);
      if (!reply) {
        stop();
        throw CompileError("the process that compiles kernels gave a damaged answer");
      }
      if (pace != nullptr) pace->add(reply->processor_time);
      if (!reply->error.empty()) throw CompileError(reply->error);
      return {std::move(range), reply->image};
    }
    stop();
    if (fresh || again) break;
  }
  throw CompileError("the process that compiles kernels ended before it answered");
}

}  // namespace trireme::compile
