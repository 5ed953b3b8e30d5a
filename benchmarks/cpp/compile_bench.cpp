// SPDX-License-Identifier: Apache-2.0
// Compiles graphs that are given as text (as TRIREME_DUMP leaves them): compile_bench FILE...
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/graph/text/parse.h"

namespace {

class NamedCall final : public trireme::graph::OpaqueCall {
 public:
  explicit NamedCall(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }

 private:
  std::string name_;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int count, char** arguments) {
  const auto compiler = trireme::compile::make_cpu_compiler(TRIREME_KERNELS);
  for (int i = 1; i < count; ++i) {
    std::ifstream file(arguments[i]);
    std::stringstream text;
    text << file.rdbuf();
    auto graph = trireme::graph::parse(
        text.str(), [](const std::string& name) { return std::make_shared<NamedCall>(name); });
    const size_t nodes = graph.nodes.size();
    for (int repeat = 0; repeat < 2; ++repeat) {  // the second one without LLVM's own start
      const double start = seconds();
      const auto compiled = compiler->compile(graph, {});
      std::printf("%s: %zu nodes, %.3f s\n", arguments[i], nodes, seconds() - start);
    }
    // The most memory that is in use, where nothing dies before the end but what the graph makes.
    using Off = std::vector<std::string>;
    for (const Off& off : {Off{}, Off{"recompute"}, Off{"recompute", "schedule_for_memory"}}) {
      trireme::compile::CompileOptions options;
      options.off = off;
      const std::string described = compiler->compile(graph, options)->describe();
      const size_t at = described.find("peak ");
      if (at == std::string::npos) continue;
      std::printf("  %s", described.substr(at, described.find('\n', at) - at).c_str());
      for (const std::string& name : off) std::printf(", no %s", name.c_str());
      std::printf("\n");
    }
  }
  return 0;
}
