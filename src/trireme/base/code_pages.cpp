// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/code_pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace trireme::base {
namespace {

struct Request {
  std::initializer_list<std::string_view> names;
  size_t page = 0;
  size_t released = 0;
};

bool is_named(const char* path, const Request& request) {
  std::string_view name = path == nullptr ? "" : path;
  name = name.substr(name.rfind('/') + 1);
  return std::ranges::any_of(request.names, [&](auto start) { return name.starts_with(start); });
}

int visit(dl_phdr_info* library, size_t /*size*/, void* argument) {
  Request& request = *static_cast<Request*>(argument);
  if (!is_named(library->dlpi_name, request)) return 0;
  for (size_t i = 0; i < library->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = library->dlpi_phdr[i];
    // Code that may be written has been.
    if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0 || (part.p_flags & PF_W) != 0) {
      continue;
    }
    const uintptr_t start = (library->dlpi_addr + part.p_vaddr) / request.page * request.page;
    const uintptr_t end = library->dlpi_addr + part.p_vaddr + part.p_memsz;
    const size_t bytes = (end - start + request.page - 1) / request.page * request.page;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the linker gives addresses as numbers
    if (madvise(reinterpret_cast<void*>(start), bytes, MADV_DONTNEED) == 0) {
      request.released += bytes;
    }
  }
  return 0;
}

bool is_traced() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "TracerPid:") continue;
    long tracer = 0;
    status >> tracer;
    return tracer != 0;
  }
  return true;
}

}  // namespace

size_t release_code_pages(std::initializer_list<std::string_view> names) {
  if (is_traced()) return 0;
  Request request{names, static_cast<size_t>(sysconf(_SC_PAGESIZE))};
  dl_iterate_phdr(&visit, &request);
  return request.released;
}

}  // namespace trireme::base
