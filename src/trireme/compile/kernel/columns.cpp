// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/kernel/columns.h"

#include <algorithm>

namespace trireme::compile {
namespace {

constexpr int64_t kFewRows = 16;  // fewer: registers hold what little there is

}  // namespace

const Loop* column_of(const Loop& loop) {
  for (const Statement& statement : loop.body) {
    if (const auto* inner = std::get_if<Loop>(&statement.is)) return inner;
  }
  return nullptr;
}

bool is_column_sum(const Loop& loop) {
  if (loop.kind != LoopKind::Vector) return false;
  const Loop* inner = column_of(loop);
  if (inner == nullptr || inner->kind != LoopKind::Serial) return false;
  if (const auto rows = inner->count.constant(); rows && *rows < kFewRows) return false;
  const auto is_loop = [](const Statement& one) { return std::holds_alternative<Loop>(one.is); };
  if (std::ranges::count_if(loop.body, is_loop) != 1) return false;
  if (std::ranges::any_of(inner->body, is_loop)) return false;
  for (const Statement& statement : loop.body) {
    if (is_loop(statement)) break;
    if (!std::holds_alternative<Declare>(statement.is)) return false;
  }
  // What a row's visit leaves in memory could be read by the next one's.
  return std::ranges::none_of(inner->body, [](const Statement& one) {
    return std::holds_alternative<Store>(one.is) || std::holds_alternative<Draw>(one.is);
  });
}

}  // namespace trireme::compile
