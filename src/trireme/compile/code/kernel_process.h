// SPDX-License-Identifier: Apache-2.0
// The process that compiles kernels: LLVM's memory, and what it may do wrong, stay out of the
// program. It is started when it is needed, ends when it has had nothing to do for some seconds,
// and is no child of the program, which may wait for its own.
#pragma once

#include <sys/types.h>

#include <mutex>
#include <span>
#include <string>

#include "trireme/base/pace.h"
#include "trireme/compile/code/code.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

class KernelProcess {
 public:
  // `program`: the path of trireme-kernels.
  explicit KernelProcess(std::string program) : program_(std::move(program)) {}
  KernelProcess(const KernelProcess&) = delete;
  KernelProcess& operator=(const KernelProcess&) = delete;
  ~KernelProcess();

  // The kernels of these steps of form_clusters(graph, fuses), by name_of_step. Throws
  // CompileError; where the process ended in the middle of it, the next call starts another one.
  // `pace`, if any, is told of the process's work. Any thread.
  Module compile(const graph::Graph& graph, bool fuses, std::span<const uint32_t> steps,
                 base::Pace* pace = nullptr);

 private:
  void start();
  void stop();

  std::string program_;
  std::mutex mutex_;
  int socket_ = -1;
  pid_t owner_ = 0;  // who started it: after a fork the child has no part in it
};

}  // namespace trireme::compile
