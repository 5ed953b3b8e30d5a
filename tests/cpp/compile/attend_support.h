// SPDX-License-Identifier: Apache-2.0
// Problems of attention as graphs, with values of the size that networks have.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "program_support.h"

namespace trireme::compile::testing {

enum class Layout : uint8_t {
  Dense,
  HeadsInTheMiddle,  // [batch, row, head, element]
  Apart,             // with gaps between rows, and before the first
  Turned,            // rows next to each other, not elements
};

enum class MaskKind : uint8_t {
  None,
  Parts,         // bool, for each query
  PartsOfBatch,  // bool, alike for all queries and heads
  Numbers,       // added
  NumbersOfHead,
};

struct AttendCase {
  std::array<int64_t, 7> sizes{};  // batch, heads, groups, rows, columns, depth, width
  graph::DType dtype = graph::DType::Float32;
  Layout layout = Layout::Dense;
  MaskKind mask = MaskKind::None;
  bool causal = false;
  bool scale_is_input = false;
  bool backward = false;  // outputs: the three gradients, too
  uint64_t seed = 1;

  std::string text() const;
  std::string name() const;  // of a failure
};

// The graph with random inputs. Of each mask one query, or one batch, has no key.
Case make_case(const AttendCase& one);

// Outputs near the interpreter's, for the dtype.
void expect_near(const AttendCase& one, const std::vector<graph::Buffer>& wanted,
                 const std::vector<graph::Buffer>& given);

}  // namespace trireme::compile::testing
