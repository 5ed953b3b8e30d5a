// SPDX-License-Identifier: Apache-2.0
// An error found while a call was executed, kept until the program waits for what it spoiled.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "trireme/record/call_site.h"
#include "trireme/record/op_info.h"

namespace trireme::record {

// The exception type that eager PyTorch would have raised.
enum class ErrorKind : uint8_t {
  Runtime,
  Index,
  Value,
  Type,
  NotImplemented,
  LinAlg,
  OutOfMemory,
};

struct CallError {
  ErrorKind kind = ErrorKind::Runtime;
  std::string message;                        // as the kernel said it
  std::string op;                             // aten::embedding
  std::string where;                          // file:line of the program, or "unknown line"
  mutable std::atomic<bool> reported{false};  // the program has been told
};

// What `error` is, as PyTorch types it.
ErrorKind error_kind(const std::exception& error);
// The message without c10's backtrace.
std::string error_message(const std::exception& error);
// `error` as found in a call of `op` that the program issued at `site`.
std::shared_ptr<CallError> make_call_error(const std::exception& error, const OpInfo& op,
                                           SiteId site);

// Throws the c10 exception of the error's kind; the message names op and place. Marks it reported.
[[noreturn]] void raise(const CallError& error);

}  // namespace trireme::record
