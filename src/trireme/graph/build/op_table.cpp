// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/op_table.h"

#include <algorithm>
#include <stdexcept>

namespace trireme::graph {

const OpTable& OpTable::instance() {
  static const OpTable table = [] {
    OpTable made;
    add_pointwise_rows(made);
    add_unary_rows(made);
    add_compare_rows(made);
    add_activation_rows(made);
    add_activation_backward_rows(made);
    add_foreach_rows(made);
    add_optimizer_rows(made);
    add_reduction_rows(made);
    add_softmax_rows(made);
    add_norm_rows(made);
    add_loss_rows(made);
    add_copy_rows(made);
    add_creation_rows(made);
    add_index_rows(made);
    add_scatter_rows(made);
    add_embedding_rows(made);
    add_sort_rows(made);
    add_shape_rows(made);
    add_view_copy_rows(made);
    add_pad_rows(made);
    add_window_rows(made);
    add_scan_rows(made);
    add_pool_rows(made);
    add_interpolate_rows(made);
    add_contract_rows(made);
    add_convolve_rows(made);
    add_attend_rows(made);
    add_random_rows(made);
    return made;
  }();
  return table;
}

Row OpTable::find(std::string_view name) const {
  const auto found = rows_.find(std::string(name));
  return found == rows_.end() ? nullptr : found->second;
}

std::vector<std::string_view> OpTable::names() const {
  std::vector<std::string_view> names;
  names.reserve(rows_.size());
  for (const auto& [name, row] : rows_) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

void OpTable::add(std::initializer_list<const char*> names, Row row) {
  for (const char* name : names) {
    if (!rows_.emplace(std::string("aten::") + name, row).second) {
      throw std::logic_error(std::string("two rows for aten::") + name);
    }
  }
}

}  // namespace trireme::graph
