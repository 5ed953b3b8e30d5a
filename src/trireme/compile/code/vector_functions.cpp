// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/code/vector_functions.h"

#include <string_view>
#include <vector>

namespace trireme::compile {
namespace {

using graph::ScalarOp;

// libmvec's are faster (of f64 1.1 to 6 times) and stay within 3 ulp where tests look, by their
// documentation within 4; SLEEF's stay within 1, erfc within 1.5.
enum class Source : uint8_t {
  None,    // code of our own (llvm/math_single.cpp, llvm/math.cpp), or the C library's by lane
  Sleef,   // what is used most, and f32 where libmvec misses 2 ulp or comes close to it
  System,  // libmvec's; SLEEF's where that is older or of another processor
  Only,    // libmvec's alone: SLEEF's overflow where the square of the argument does
};

struct Family {
  ScalarOp op;
  std::string_view name;
  std::string_view error;  // the bound of SLEEF's, as its symbol has it
  Source single, wide;     // for f32 and f64
  bool binary = false;
};

constexpr Family kFamilies[] = {
    {ScalarOp::Acos, "acos", "u10", Source::Sleef, Source::System},
    {ScalarOp::Acosh, "acosh", "u10", Source::Only, Source::Only},
    {ScalarOp::Asin, "asin", "u10", Source::Sleef, Source::System},
    {ScalarOp::Asinh, "asinh", "u10", Source::Only, Source::Only},
    {ScalarOp::Atan, "atan", "u10", Source::System, Source::System},
    {ScalarOp::Atan2, "atan2", "u10", Source::Sleef, Source::System, true},
    {ScalarOp::Atanh, "atanh", "u10", Source::System, Source::System},
    {ScalarOp::Cos, "cos", "u10", Source::None, Source::System},
    {ScalarOp::Cosh, "cosh", "u10", Source::Sleef, Source::System},
    {ScalarOp::Erf, "erf", "u10", Source::None, Source::System},
    {ScalarOp::Erfc, "erfc", "u15", Source::System, Source::System},
    {ScalarOp::Exp, "exp", "u10", Source::None, Source::Sleef},
    {ScalarOp::Exp2, "exp2", "u10", Source::None, Source::Sleef},
    {ScalarOp::Expm1, "expm1", "u10", Source::None, Source::System},
    {ScalarOp::Fmod, "fmod", "", Source::Sleef, Source::Sleef, true},
    {ScalarOp::Hypot, "hypot", "u05", Source::System, Source::System, true},
    {ScalarOp::Lgamma, "lgamma", "u10", Source::Sleef, Source::Sleef},
    {ScalarOp::Log, "log", "u10", Source::None, Source::Sleef},
    {ScalarOp::Log10, "log10", "u10", Source::None, Source::System},
    {ScalarOp::Log1p, "log1p", "u10", Source::None, Source::System},
    {ScalarOp::Log2, "log2", "u10", Source::None, Source::System},
    {ScalarOp::Pow, "pow", "u10", Source::None, Source::System, true},
    {ScalarOp::Sin, "sin", "u10", Source::None, Source::System},
    {ScalarOp::Sinh, "sinh", "u10", Source::System, Source::System},
    {ScalarOp::Tan, "tan", "u10", Source::Sleef, Source::System},
    {ScalarOp::Tanh, "tanh", "u10", Source::None, Source::System},
};

struct Vectors {
  unsigned bytes = 0;  // 0: none that there are functions for
  std::string_view sleef;
  std::string_view system;  // of libmvec, "": it has none
};

Vectors widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {64, "avx512f", "_ZGVeN"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {32, "avx2", "_ZGVdN"};
  }
#elif defined(__aarch64__)
  return {16, "advsimd", ""};
#endif
  return {};
}

std::vector<VectorFunction> find_all() {
  std::vector<VectorFunction> all;
  const Vectors vectors = widest();
  if (vectors.bytes == 0) return all;
  for (const Family& family : kFamilies) {
    for (const bool single : {false, true}) {
      const Source source = single ? family.single : family.wide;
      const unsigned lanes = vectors.bytes / (single ? 4 : 8);
      const std::string name(family.name);
      const std::string count = std::to_string(lanes);
      VectorFunction function{family.op, single, family.binary, lanes, {}};
      if (!vectors.system.empty() && (source == Source::System || source == Source::Only)) {
        function.symbol = std::string(vectors.system) + count + (family.binary ? "vv_" : "v_") +
                          name + (single ? "f" : "");
        all.push_back(function);
      }
      if (source == Source::Sleef || source == Source::System) {
        function.symbol = "Sleef_" + name + (single ? "f" : "d") + count + "_" +
                          std::string(family.error) + std::string(vectors.sleef);
        all.push_back(std::move(function));
      }
    }
  }
  return all;
}

}  // namespace

std::span<const VectorFunction> vector_functions() {
  static const std::vector<VectorFunction> all = find_all();
  return all;
}

}  // namespace trireme::compile
