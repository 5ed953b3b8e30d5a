// SPDX-License-Identifier: Apache-2.0
// Generated kernels on one thread: time per point, bytes per second against a triad's over as many
// bytes, and the time it takes to compile them. `kernel_bench NAME` also prints that kernel's IR.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "trireme/compile/cluster/form.h"
#include "trireme/compile/cluster/lower.h"
#include "trireme/compile/cluster/merge.h"
#include "trireme/compile/llvm/link.h"
#include "trireme/compile/llvm/module.h"
#include "trireme/graph/text/parse.h"

namespace {

namespace compile = trireme::compile;
namespace graph = trireme::graph;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class F>
double best_of(F run) {
  double best = 1e9;
  for (int i = 0; i < 7; ++i) {
    const double start = now();
    run();
    best = std::min(best, now() - start);
  }
  return best;
}

struct Case {
  const char* name;
  double points;
  std::string text;
};

std::string unary(const std::string& count, const std::string& dtype, const std::string& term) {
  return "input %0: " + dtype + "[" + count + "]\n%1: " + dtype + "[" + count + "] = map (i0 < " +
         count + ") {\n a0 = %0\n x0 = a0:" + dtype + "\n return " + term + "\n}\noutput %1\n";
}

std::vector<Case> cases() {
  const auto at = [](const char* name, const std::string& term) {
    return Case{name, 32768, unary("32768", "f32", term)};
  };
  return {
      {"add 16 MB", 1398101,
       "input %0: f32[1398101]\ninput %1: f32[1398101]\n%2: f32[1398101] = map (i0 < 1398101) {\n"
       "a0 = %0\na1 = %1\nreturn add(a0:f32, a1:f32)\n}\noutput %2\n"},
      {"add 256 KB", 21845,
       "input %0: f32[21845]\ninput %1: f32[21845]\n%2: f32[21845] = map (i0 < 21845) {\n"
       "a0 = %0\na1 = %1\nreturn add(a0:f32, a1:f32)\n}\noutput %2\n"},
      {"bf16 mul 256 KB", 65536, unary("65536", "bf16", "mul(x0, 0.5:bf16)")},
      {"relu backward of bool", 32768,
       "input %0: f32[32768]\ninput %1: bool[32768]\n%2: f32[32768] = map (i0 < 32768) {\n"
       "a0 = %0\na1 = %1\nreturn select(a1:bool, a0:f32, 0:f32)\n}\noutput %2\n"},
      {"compare to bool", 32768,
       "input %0: f32[32768]\n%1: bool[32768] = map (i0 < 32768) {\n"
       "a0 = %0\nreturn gt(a0:f32, 0:f32)\n}\noutput %1\n"},
      at("exp", "exp(x0)"),
      at("log", "log(x0)"),
      at("tanh", "tanh(x0)"),
      at("sigmoid", "sigmoid(x0)"),
      at("erf", "erf(x0)"),
      at("expm1", "expm1(x0)"),
      at("log1p", "log1p(x0)"),
      at("pow", "pow(x0, 3:f32)"),
      at("sin", "sin(x0)"),
      at("gelu tanh",
         "mul(mul(0.5:f32, x0), add(1:f32, tanh(mul(0.7978845608:f32, add(x0, mul(0.044715:f32, "
         "mul(x0, mul(x0, x0))))))))"),
      at("gelu erf", "mul(mul(0.5:f32, x0), add(1:f32, erf(mul(x0, 0.70710678:f32))))"),
      {"bias gelu residual", 16 * 768,
       "input %0: f32[12288]\ninput %1: f32[768]\ninput %2: f32[12288]\n"
       "%3: f32[12288] = map (i0 < 16, i1 < 768) {\na0 = %0\na1 = %1 at [16, 768 : 0, 1]\na2 = %2\n"
       "x0 = add(a0:f32, a1:f32)\nreturn add(a2:f32, mul(mul(0.5:f32, x0), add(1:f32, "
       "tanh(mul(0.7978845608:f32, add(x0, mul(0.044715:f32, mul(x0, mul(x0, x0)))))))))\n}\n"
       "output %3\n"},
      {"adamw", 16384,
       "number n0: f64\ninput %0: f32[16384]\ninput %1: f32[16384]\ninput %2: f32[16384]\n"
       "input %3: f32[16384]\n"
       "%4: f32[16384], %5: f32[16384], %6: f32[16384] = map (i0 < 16384) {\n"
       "a0 = %0\na1 = %1\na2 = %2\na3 = %3\n"
       "x0 = a1:f32\n"
       "x1 = add(mul(a2:f32, 0.9:f32), mul(x0, 0.1:f32))\n"
       "x2 = add(mul(a3:f32, 0.999:f32), mul(mul(x0, x0), 0.001:f32))\n"
       "x3 = mul(a0:f32, 0.9999:f32)\n"
       "x4 = add(div(sqrt(x2), n0:f32), 1e-08:f32)\n"
       "return sub(x3, mul(0.001:f32, div(x1, x4))), x1, x2\n}\n"
       "output %4\noutput %5\noutput %6\n"},
      {"row sum", 64 * 768,
       "input %0: f32[49152]\n%1: f32[64] = reduce sum (i0 < 64 | i1 < 768) {\na0 = %0\nreturn "
       "a0:f32\n}\noutput %1\n"},
      {"column sum", 4096 * 768,
       "input %0: f32[3145728]\n%1: f32[768] = reduce sum (i0 < 768 | i1 < 4096) {\n"
       "a0 = %0 at [768, 4096 : 1, 768]\nreturn a0:f32\n}\noutput %1\n"},
      {"softmax", 64 * 512,
       "input %0: f32[32768]\n%1: f32[64] = reduce maximum (i0 < 64 | i1 < 512) {\na0 = %0\nreturn "
       "a0:f32\n}\n"
       "%2: f32[32768] = map (i0 < 64, i1 < 512) {\na0 = %0\na1 = %1 at [64, 512 : 1, 0]\n"
       "return exp(sub(a0:f32, a1:f32))\n}\n"
       "%3: f32[64] = reduce sum (i0 < 64 | i1 < 512) {\na0 = %2\nreturn a0:f32\n}\n"
       "%4: f32[32768] = map (i0 < 64, i1 < 512) {\na0 = %2\na1 = %3 at [64, 512 : 1, 0]\n"
       "return div(a0:f32, a1:f32)\n}\noutput %4\n"},
      {"layer norm", 64 * 768,
       "input %0: f32[49152]\ninput %1: f32[768]\ninput %2: f32[768]\n"
       "%3: f32[64], %4: f32[64] = reduce welford (i0 < 64 | i1 < 768) {\na0 = %0\nreturn "
       "a0:f32\n}\n"
       "%5: f32[64] = map (i0 < 64) {\na0 = %4\nreturn rsqrt(add(mul(a0:f32, 0.00130208:f32), "
       "1e-05:f32))\n}\n"
       "%6: f32[49152] = map (i0 < 64, i1 < 768) {\na0 = %0\na1 = %3 at [64, 768 : 1, 0]\na2 = %5 "
       "at [64, 768 : 1, 0]\na3 = %1 at [64, 768 : 0, 1]\na4 = %2 at [64, 768 : 0, 1]\n"
       "return add(mul(mul(sub(a0:f32, a1:f32), a2:f32), a3:f32), a4:f32)\n}\noutput %6\noutput "
       "%3\noutput %5\n"},
      {"transposed copy", 1024 * 1024,
       "input %0: f32[1048576]\n%1: f32[1048576] = map (i0 < 1024, i1 < 1024) {\n"
       "a0 = %0 at [1024, 1024 : 1, 1024]\nreturn a0:f32\n}\noutput %1\n"},
      {"every third", 16384,
       "input %0: f32[49152]\n%1: f32[16384] = map (i0 < 16384) {\na0 = %0 at [16384 : 3]\nreturn "
       "mul(a0:f32, 2:f32)\n}\noutput %1\n"},
      {"64 loops", 64 * 100,
       [] {
         std::string inputs;
         std::string nodes;
         std::string outputs;
         for (int i = 0; i < 64; ++i) {
           inputs += "input %" + std::to_string(i) + ": f32[100]\n";
           const std::string out = "%" + std::to_string(64 + i);
           nodes += out + ": f32[100] = map (i0 < 100) {\na0 = %" + std::to_string(i) +
                    "\nreturn mul(a0:f32, 0.5:f32)\n}\n";
           outputs += "output " + out + "\n";
         }
         return inputs + nodes + outputs;
       }()},
  };
}

// The time of a triad that moves as many bytes.
double triad(size_t bytes) {
  const size_t count = std::max<size_t>(bytes / 12, 1);
  std::vector<float> a(count, 1.0F);
  std::vector<float> b(count, 2.0F);
  std::vector<float> c(count, 0.0F);
  const int repeats = static_cast<int>(std::max<size_t>(1, 2'000'000 / count));
  return best_of([&] {
           for (int r = 0; r < repeats; ++r) {
             float* __restrict to = c.data();
             for (size_t i = 0; i < count; ++i) to[i] = a[i] + 3.0F * b[i];
             asm volatile("" : : "r"(to) : "memory");
           }
         }) /
         repeats;
}

void run(const Case& one, bool prints) {
  const graph::Graph graph = graph::parse(
      one.text, [](const std::string&) { return std::shared_ptr<graph::OpaqueCall>(); });
  const graph::Uses uses(graph);
  for (const compile::ScheduledStep& step : compile::form_clusters(graph)) {
    std::vector<compile::ClusterKernel> parts;
    for (const compile::Cluster& cluster : step.clusters) {
      std::vector<bool> leaves = uses.leaves;
      for (size_t value = 0; value < graph.values.size(); ++value) {
        for (const auto& use : uses.uses[value]) {
          if (std::ranges::find(cluster.nodes, use.node) == cluster.nodes.end()) {
            leaves[value] = true;
          }
        }
      }
      parts.push_back(compile::lower_cluster(graph, cluster, leaves));
    }
    compile::ClusterKernel kernel = compile::merge_kernels(std::move(parts));
    kernel.kernel.name = "k";
    if (prints) std::printf("%s\n", compile::print(kernel.kernel).c_str());
    double spent = 1e9;
    std::vector<std::byte> object;
    for (int i = 0; i < 3; ++i) {
      const double start = now();
      object = compile::compile_object(std::span(&kernel.kernel, 1));
      spent = std::min(spent, now() - start);
    }
    const compile::Module module = compile::load_object(object);
    const compile::KernelFunction function = module.function("k");
    std::vector<std::vector<std::byte>> memory;
    std::vector<std::byte*> buffers;
    size_t bytes = 0;
    for (const compile::KernelBuffer& buffer : kernel.buffers) {
      const graph::Value& value = graph.values[buffer.value];
      const auto size = static_cast<size_t>(*value.count.constant()) * graph::size_of(value.dtype);
      memory.emplace_back(size + 64, std::byte{0});
      if (value.dtype == graph::DType::Float32) {
        for (size_t i = 0; i < size / 4; ++i) {
          const float x = static_cast<float>(i % 1000) * 0.002F + 0.1F;
          std::memcpy(memory.back().data() + 4 * i, &x, 4);
        }
      }
      bytes += size;
    }
    buffers.reserve(memory.size());
    for (auto& each : memory) buffers.push_back(each.data());
    std::vector<compile::ScalarArg> numbers(8, {1, 1.0});
    std::vector<std::byte> scratch(
        compile::scratch_offset(kernel.kernel, kernel.kernel.scratch.size()) + 64);
    std::byte* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64);
    const int64_t range = *compile::range_of(kernel.kernel).constant();
    const int repeats = static_cast<int>(std::max(1.0, 2e6 / one.points));
    const double time = best_of([&] {
                          for (int r = 0; r < repeats; ++r) {
                            function(buffers.data(), numbers.data(), nullptr, aligned, 0, range);
                          }
                        }) /
                        repeats;
    std::printf("%-24s %7.3f ns/point  %5.2f x triad  compile %6.2f ms  %zu bytes\n", one.name,
                time * 1e9 / one.points, time / triad(bytes), spent * 1e3, object.size());
  }
}

}  // namespace

int main(int count, char** arguments) {
  for (const Case& one : cases()) {
    if (count > 1 && std::string(arguments[1]) != one.name) continue;
    run(one, count > 1);
  }
  return 0;
}
