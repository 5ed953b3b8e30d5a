// SPDX-License-Identifier: Apache-2.0
// trireme-kernels: compiles kernels for the program at the other end of its standard input, a
// socket, until that is closed or has been silent for some seconds.
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "trireme/base/pace.h"
#include "trireme/compile/cluster/form.h"
#include "trireme/compile/cluster/step_kernel.h"
#include "trireme/compile/code/messages.h"
#include "trireme/compile/llvm/link.h"
#include "trireme/compile/llvm/module.h"
#include "trireme/graph/text/parse.h"

namespace {

namespace compile = trireme::compile;
namespace graph = trireme::graph;

constexpr int kSilence = 20'000;  // milliseconds

class Named final : public graph::OpaqueCall {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }

 private:
  std::string name_;
};

compile::Image make_image(const compile::KernelRequest& request) {
  const graph::Graph parsed = graph::parse(
      request.graph, [](const std::string& name) { return std::make_shared<Named>(name); });
  const auto schedule = compile::form_clusters(parsed, request.fuses);
  const std::vector<bool> leaves = compile::values_that_leave(parsed, schedule);
  std::vector<compile::Kernel> kernels;
  for (const uint32_t step : request.steps) {
    if (step >= schedule.size() || !compile::is_kernel(parsed, schedule[step])) {
      throw compile::CompileError("step " + std::to_string(step) + " of the graph is no kernel");
    }
    kernels.push_back(compile::step_kernel(parsed, schedule[step], leaves).kernel);
    kernels.back().name = compile::name_of_step(step);
  }
  return compile::link_object(compile::compile_object(kernels, request.externals), request.base,
                              request.externals);
}

compile::KernelReply answer(const std::vector<uint8_t>& message) {
  const auto request = compile::decode_request(message);
  if (!request) return {"trireme-kernels: a damaged request", {}, {}};
  const auto begin = trireme::base::thread_time();
  compile::KernelReply reply;
  try {
    reply.image = make_image(*request);
  } catch (const std::exception& error) {
    reply.error = error.what();
  }
  reply.processor_time = trireme::base::thread_time() - begin;
  return reply;
}

bool something_comes() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, kSilence) > 0;
}

// Away from the program: out of its children, its terminal's signals and its working folder. But in
// its session: Linux may share out processors among sessions (autogroup), and one of its own would
// get as much of them as the program, whatever its nice value.
void detach() {
  const pid_t child = ::fork();
  if (child < 0) std::exit(EXIT_FAILURE);
  if (child > 0) ::_exit(EXIT_SUCCESS);
  static_cast<void>(::setpgid(0, 0));
  std::signal(SIGINT, SIG_IGN);
  static_cast<void>(::chdir("/"));
}

}  // namespace

int main() {
  detach();
  while (something_comes()) {
    const auto message = compile::receive_message(STDIN_FILENO);
    if (!message || !compile::send_message(STDIN_FILENO, compile::encode(answer(*message)))) break;
  }
  return EXIT_SUCCESS;
}
