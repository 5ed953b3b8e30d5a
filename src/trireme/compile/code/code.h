// SPDX-License-Identifier: Apache-2.0
// Machine code of kernels in this process. Knows nothing of who made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace trireme::compile {

// A scalar parameter's value, in the field of its dtype (bool: integer).
struct ScalarArg {
  int64_t integer = 0;
  double real = 0;
};

// Runs [begin, end) of the kernel's range. `scratch`: memory of this thread, aligned to 64 bytes,
// of scratch_offset(kernel, number of arrays) bytes.
using KernelFunction = void (*)(std::byte* const* buffers, const ScalarArg* scalars,
                                const int64_t* symbols, std::byte* scratch, int64_t begin,
                                int64_t end);

// The compiler, or the machine it compiled for, does not fit.
class CompileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Code linked for one address: pages to execute, then pages to read.
struct Image {
  std::vector<std::byte> bytes;                           // whole pages
  size_t code_bytes = 0;                                  // of these, the first ones: code
  std::vector<std::pair<std::string, uint64_t>> entries;  // names, offsets
};

// Addresses that are kept for an image.
class AddressRange {
 public:
  // Takes no memory yet. Throws CompileError where there is no room.
  explicit AddressRange(size_t bytes);
  AddressRange(AddressRange&& other) noexcept;
  AddressRange& operator=(AddressRange&&) = delete;
  AddressRange(const AddressRange&) = delete;
  AddressRange& operator=(const AddressRange&) = delete;
  ~AddressRange();

  uint64_t base() const { return reinterpret_cast<uintptr_t>(memory_); }
  std::byte* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }
  // Gives the rest back.
  void shrink(size_t bytes);

 private:
  std::byte* memory_ = nullptr;
  size_t bytes_ = 0;
};

// Code that can be run; it goes when the module goes. No page can be both written and executed.
class Module {
 public:
  // `image`: linked for the range's base. Throws CompileError where it does not fit.
  Module(AddressRange range, const Image& image);

  // Throws CompileError where there is no such kernel.
  KernelFunction function(const std::string& name) const;

 private:
  AddressRange range_;
  std::vector<std::pair<std::string, uint64_t>> entries_;
};

}  // namespace trireme::compile
