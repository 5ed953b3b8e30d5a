// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/call_error.h"

#include <c10/util/Exception.h>

#include <new>

namespace trireme::record {

ErrorKind error_kind(const std::exception& error) {
  if (dynamic_cast<const c10::IndexError*>(&error) != nullptr) return ErrorKind::Index;
  if (dynamic_cast<const c10::ValueError*>(&error) != nullptr) return ErrorKind::Value;
  if (dynamic_cast<const c10::TypeError*>(&error) != nullptr) return ErrorKind::Type;
  if (dynamic_cast<const c10::NotImplementedError*>(&error) != nullptr) {
    return ErrorKind::NotImplemented;
  }
  if (dynamic_cast<const c10::LinAlgError*>(&error) != nullptr) return ErrorKind::LinAlg;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
      dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return ErrorKind::OutOfMemory;
  }
  return ErrorKind::Runtime;
}

std::string error_message(const std::exception& error) {
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) {
    return torch_error->what_without_backtrace();
  }
  return error.what();
}

std::shared_ptr<CallError> make_call_error(const std::exception& error, const OpInfo& op,
                                           SiteId site) {
  auto made = std::make_shared<CallError>();
  made->kind = error_kind(error);
  made->message = error_message(error);
  made->op = op.name;
  made->where = describe_site(site);
  return made;
}

void raise(const CallError& error) {
  error.reported.store(true, std::memory_order_relaxed);
  const std::string text = error.message + "\n[trireme: raised by " + error.op + ", called at " +
                           error.where + "; run with TRIREME_SYNC=1 to stop at the call]";
  switch (error.kind) {
    case ErrorKind::Index:
      C10_THROW_ERROR(IndexError, text);
    case ErrorKind::Value:
      C10_THROW_ERROR(ValueError, text);
    case ErrorKind::Type:
      C10_THROW_ERROR(TypeError, text);
    case ErrorKind::NotImplemented:
      C10_THROW_ERROR(NotImplementedError, text);
    case ErrorKind::LinAlg:
      C10_THROW_ERROR(LinAlgError, text);
    case ErrorKind::OutOfMemory:
      C10_THROW_ERROR(OutOfMemoryError, text);
    case ErrorKind::Runtime:
      break;
  }
  C10_THROW_ERROR(Error, text);
}

}  // namespace trireme::record
