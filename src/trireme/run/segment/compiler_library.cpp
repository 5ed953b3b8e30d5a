// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/compiler_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "trireme/base/code_pages.h"
#include "trireme/base/env.h"
#include "trireme/base/errors.h"

namespace trireme::run {
namespace {

constexpr const char* kLibrary = "libtrireme_compiler.so";
constexpr const char* kKernels = "trireme-kernels";

// Where this code was loaded from, up to the last '/'.
std::string folder_of_this_module() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&load_compiler), &info) == 0 || info.dli_fname == nullptr) {
    return {};
  }
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

void warn_of_unknown(const std::vector<std::string>& off, const std::vector<std::string>& known) {
  for (const std::string& name : off) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string names;
    for (const std::string& one : known) names += " " + one;
    std::fprintf(stderr,
                 "trireme: warning: TRIREME_PASSES_OFF: there is no pass named %s; nothing is "
                 "compiled. The passes:%s\n",
                 name.c_str(), names.c_str());
  }
}

std::unique_ptr<compile::Compiler> load() {
  const std::string folder = folder_of_this_module();
  const std::string path = folder + kLibrary;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(std::string("the compiler's library cannot be loaded (") + ::dlerror() +
                "); programs run uncompiled");
  }
  const auto make =
      reinterpret_cast<compile::MakeCompiler>(::dlsym(library, compile::kMakeCompiler));
  if (make == nullptr) {
    throw Error(path + " has no " + compile::kMakeCompiler + "; build and install Trireme again");
  }
  std::unique_ptr<compile::Compiler> compiler(make((folder + kKernels).c_str()));
  base::release_code_pages({kLibrary, "libdnnl.so"});  // what loading them has read
  warn_of_unknown(passes_off(), compiler->switches());
  return compiler;
}

}  // namespace

bool compiler_installed() {
  return ::access((folder_of_this_module() + kLibrary).c_str(), R_OK) == 0;
}

std::vector<std::string> passes_off() {
  std::vector<std::string> names;
  std::stringstream list(base::env_string("TRIREME_PASSES_OFF").value_or(""));
  for (std::string name; std::getline(list, name, ',');) names.push_back(name);
  return names;
}

const compile::Compiler& load_compiler() {
  // Never freed: programs may run until the process ends.
  static const compile::Compiler& compiler = *load().release();
  return compiler;
}

}  // namespace trireme::run
