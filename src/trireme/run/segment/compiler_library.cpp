// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/compiler_library.h"

#include <dlfcn.h>

#include <memory>
#include <string>

#include "trireme/base/errors.h"

namespace trireme::run {
namespace {

constexpr const char* kLibrary = "libtrireme_compiler.so";

// Where this code was loaded from, up to the last '/'.
std::string folder_of_this_module() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&load_compiler), &info) == 0 || info.dli_fname == nullptr) {
    return {};
  }
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

std::unique_ptr<compile::Compiler> load() {
  const std::string path = folder_of_this_module() + kLibrary;
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
  return std::unique_ptr<compile::Compiler>(make());
}

}  // namespace

const compile::Compiler& load_compiler() {
  // Never freed: programs may run until the process ends.
  static const compile::Compiler& compiler = *load().release();
  return compiler;
}

}  // namespace trireme::run
