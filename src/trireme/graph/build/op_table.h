// SPDX-License-Identifier: Apache-2.0
// The op table: one row per ATen overload that lowers it to primitives. The one place to teach
// Trireme an op. Rows live in rows_<family>.cpp.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trireme/graph/build/lowering.h"

namespace trireme::graph {

// Adds the nodes of one call, or declines. A row reads what it needs before it writes what another
// argument may share memory with.
using Row = void (*)(Lowering& lowering);

class OpTable {
 public:
  // All rows.
  static const OpTable& instance();

  // Null where there is none. `name`: aten::add.Tensor
  Row find(std::string_view name) const;
  size_t size() const { return rows_.size(); }
  std::vector<std::string_view> names() const;  // sorted

  // "aten::" is put before each name. A name twice is an error (std::logic_error).
  void add(std::initializer_list<const char*> names, Row row);

 private:
  std::unordered_map<std::string, Row> rows_;
};

// One per family.
void add_pointwise_rows(OpTable& table);
void add_unary_rows(OpTable& table);
void add_compare_rows(OpTable& table);
void add_activation_rows(OpTable& table);
void add_activation_backward_rows(OpTable& table);
void add_foreach_rows(OpTable& table);
void add_optimizer_rows(OpTable& table);
void add_reduction_rows(OpTable& table);
void add_softmax_rows(OpTable& table);
void add_norm_rows(OpTable& table);
void add_loss_rows(OpTable& table);
void add_copy_rows(OpTable& table);
void add_creation_rows(OpTable& table);
void add_index_rows(OpTable& table);
void add_scatter_rows(OpTable& table);
void add_embedding_rows(OpTable& table);
void add_sort_rows(OpTable& table);
void add_shape_rows(OpTable& table);
void add_view_copy_rows(OpTable& table);
void add_pad_rows(OpTable& table);
void add_window_rows(OpTable& table);
void add_scan_rows(OpTable& table);
void add_pool_rows(OpTable& table);
void add_interpolate_rows(OpTable& table);
void add_contract_rows(OpTable& table);
void add_convolve_rows(OpTable& table);
void add_attend_rows(OpTable& table);
void add_random_rows(OpTable& table);

}  // namespace trireme::graph
