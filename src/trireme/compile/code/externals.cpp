// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/code/externals.h"

#include <dlfcn.h>

#include "trireme/compile/code/functions.h"
#include "trireme/compile/code/vector_functions.h"

namespace trireme::compile {
namespace {

// LLVM makes calls of these where the CPU has no instruction: of fills, copies, fused
// multiplications, remainders, conversions of half floats.
constexpr const char* kOfTheSystem[] = {
    "memset",       "memcpy",       "memmove",   "fma",           "fmaf",         "fmod",
    "fmodf",        "floor",        "floorf",    "ceil",          "ceilf",        "trunc",
    "truncf",       "rint",         "rintf",     "nearbyint",     "nearbyintf",   "roundeven",
    "roundevenf",   "ldexp",        "ldexpf",    "__extendhfsf2", "__truncsfhf2", "__truncdfhf2",
    "__truncsfbf2", "__truncdfbf2", "__udivti3", "__umodti3",     "__divti3",     "__modti3",
};

std::vector<External> find_all() {
  std::vector<External> all;
  const auto add = [&](const char* name, auto* address) {
    all.push_back({name, reinterpret_cast<uintptr_t>(address)});
  };
  for (const MathFunction& function : math_functions()) {
    if (function.unary != nullptr) add(function.name, function.unary);
    if (function.binary != nullptr) add(function.name, function.binary);
  }
  for (const char* name : kOfTheSystem) {
    if (void* address = ::dlsym(RTLD_DEFAULT, name)) add(name, address);
  }
  // libtorch is loaded already, or not at all: its symbols are not among those of everyone.
  void* const libraries[] = {::dlopen("libmvec.so.1", RTLD_LAZY),
                             ::dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD)};
  for (const VectorFunction& function : vector_functions()) {
    const char* name = function.symbol.c_str();
    for (void* library : libraries) {
      void* address = library == nullptr ? nullptr : ::dlsym(library, name);
      if (address != nullptr) add(name, address);
    }
  }
  return all;
}

}  // namespace

const std::vector<External>& externals() {
  static const std::vector<External> all = find_all();
  return all;
}

}  // namespace trireme::compile
