// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/code/code.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace trireme::compile {
namespace {

[[noreturn]] void fail(const char* what) {
  throw CompileError(std::string("compiled code: ") + what + ": " + std::strerror(errno));
}

size_t whole_pages(size_t bytes) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

AddressRange::AddressRange(size_t bytes) : bytes_(whole_pages(bytes)) {
  void* memory =
      ::mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail("no addresses");
  memory_ = static_cast<std::byte*>(memory);
}

AddressRange::AddressRange(AddressRange&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

AddressRange::~AddressRange() { shrink(0); }

void AddressRange::shrink(size_t bytes) {
  const size_t kept = whole_pages(bytes);
  if (kept < bytes_) ::munmap(memory_ + kept, bytes_ - kept);
  bytes_ = std::min(bytes_, kept);
}

Module::Module(AddressRange range, const Image& image)
    : range_(std::move(range)), entries_(image.entries) {
  const size_t code = image.code_bytes;
  if (image.bytes.size() > range_.bytes() || code > image.bytes.size() ||
      code != whole_pages(code)) {
    throw CompileError("compiled code: an image that does not fit its addresses");
  }
  for (const auto& [name, offset] : entries_) {
    if (offset >= code) throw CompileError("compiled code: " + name + " lies outside of the code");
  }
  range_.shrink(image.bytes.size());
  std::byte* memory = range_.memory();
  if (image.bytes.empty()) return;
  if (::mprotect(memory, range_.bytes(), PROT_READ | PROT_WRITE) != 0) fail("no memory");
  std::ranges::copy(image.bytes, memory);
  if (::mprotect(memory, range_.bytes(), PROT_READ) != 0 ||
      (code != 0 && ::mprotect(memory, code, PROT_READ | PROT_EXEC) != 0)) {
    fail("this system lets no memory be executed");
  }
  __builtin___clear_cache(reinterpret_cast<char*>(memory), reinterpret_cast<char*>(memory + code));
}

KernelFunction Module::function(const std::string& name) const {
  const auto found = std::ranges::find(entries_, name, &std::pair<std::string, uint64_t>::first);
  if (found == entries_.end()) throw CompileError("compiled code: there is no kernel " + name);
  return reinterpret_cast<KernelFunction>(range_.base() + found->second);
}

}  // namespace trireme::compile
