// SPDX-License-Identifier: Apache-2.0
// Errors that carry more than a message.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace trireme {

// The base of the errors that Trireme itself throws: says where, what, and what to do.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Memory of the device is used up. All figures in bytes.
class OutOfMemory : public Error {
 public:
  OutOfMemory(const std::string& message, size_t requested, size_t allocated, size_t limit)
      : Error(message), requested_(requested), allocated_(allocated), limit_(limit) {}

  size_t requested() const { return requested_; }
  size_t allocated() const { return allocated_; }
  size_t limit() const { return limit_; }

 private:
  size_t requested_;
  size_t allocated_;
  size_t limit_;
};

}  // namespace trireme
