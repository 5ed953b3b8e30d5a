// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/random/draw_scope.h"

#include <c10/util/Exception.h>

namespace trireme::run::detail {

namespace {
thread_local const Draw* current_draw = nullptr;
}  // namespace

DrawScope::DrawScope(const Draw& draw) : outer_(current_draw) { current_draw = &draw; }

DrawScope::~DrawScope() { current_draw = outer_; }

const Draw& DrawScope::current() {
  TORCH_INTERNAL_ASSERT(current_draw != nullptr, "a random kernel ran outside of a random call");
  return *current_draw;
}

}  // namespace trireme::run::detail
