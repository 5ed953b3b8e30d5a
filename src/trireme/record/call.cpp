// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/call.h"

#include "trireme/record/call_error.h"

namespace trireme::record {

std::string failure_of(const Completion& completion) {
  if (completion.poison) return completion.poison->message;
  try {
    std::rethrow_exception(completion.error);
  } catch (const std::exception& thrown) {
    return error_message(thrown);
  }
}

}  // namespace trireme::record
