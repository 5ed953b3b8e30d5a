// SPDX-License-Identifier: Apache-2.0
// Scaled dot product attention as the CPU records it: one Attend. Its iteration space: batch,
// heads, queries, keys, width of a head; the first three are parallel.
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"

namespace trireme::graph {
namespace {

// What forward and backward take after q, k and v, by position.
struct Positions {
  size_t query;
  size_t dropout;
  size_t causal;
  size_t mask;
  size_t scale;
};

struct Attention {
  Attend attend;
  Extents dims;
  std::vector<Operand> operands;  // q, k, v
  std::vector<Operand> mask;      // or nothing
};

NumberRef scale_of(Lowering& lowering, size_t arg, const Extent& width) {
  if (!lowering.given(arg)) {
    const auto known = width.constant();
    if (!known || *known <= 0) decline("heads whose width varies");
    return {.input = {}, .constant = 1.0 / std::sqrt(static_cast<double>(*known))};
  }
  const Number& number = lowering.number(arg);
  require(!is_complex(number.dtype), "a complex scale");
  const double value =
      number.dtype == DType::Float64 ? number.real : static_cast<double>(number.integer);
  return {.input = number.input, .constant = value};
}

Attention attention(Lowering& lowering, const Positions& at) {
  const Tensor q = lowering.plain(lowering.tensor(at.query));
  const Tensor k = lowering.plain(lowering.tensor(at.query + 1));
  const Tensor v = lowering.plain(lowering.tensor(at.query + 2));
  require(q.rank() == 4 && k.rank() == 4 && v.rank() == 4,
          "attention of other than four dimensions");
  require(is_floating(q.dtype) && q.dtype == k.dtype && q.dtype == v.dtype,
          "attention of several dtypes");
  require(!lowering.given(at.dropout) || lowering.fixed(lowering.number(at.dropout)) == 0,
          "attention with dropout");
  Attention a;
  a.dims = {q.sizes[0], q.sizes[1], q.sizes[2], k.sizes[2], q.sizes[3]};
  a.attend.causal = lowering.given(at.causal) && lowering.flag(at.causal);
  a.attend.scale = scale_of(lowering, at.scale, q.sizes[3]);
  a.operands = {lowering.read(q), lowering.read(k), lowering.read(v)};
  if (lowering.given(at.mask)) {
    const Tensor mask = lowering.plain(lowering.tensor(at.mask));
    require(is_floating(mask.dtype) || mask.dtype == DType::Bool, "a mask of integers");
    a.attend.masked = true;
    a.mask = {lowering.read(expand(mask, {q.sizes[0], q.sizes[1], q.sizes[2], k.sizes[2]}))};
  }
  return a;
}

void forward_row(Lowering& lowering) {
  Attention a = attention(lowering, {.query = 0, .dropout = 3, .causal = 4, .mask = 5, .scale = 6});
  std::vector<Operand> operands = std::move(a.operands);
  operands.insert(operands.end(), a.mask.begin(), a.mask.end());
  const std::array<Tensor, 2> targets = {lowering.output(0), lowering.output(1)};
  require(!targets[0].conj && !targets[0].neg, "attention into a view of negatives");
  lowering.append(a.attend, std::move(a.dims), 3, std::move(operands), targets);
}

// grad_out, q, k, v, out, logsumexp, dropout, causal, mask, scale
void backward_row(Lowering& lowering) {
  Attention a = attention(lowering, {.query = 1, .dropout = 6, .causal = 7, .mask = 8, .scale = 9});
  a.attend.backward = true;
  std::vector<Operand> operands = {lowering.read(lowering.plain(lowering.tensor(0)))};
  operands.insert(operands.end(), a.operands.begin(), a.operands.end());
  operands.push_back(lowering.read(lowering.plain(lowering.tensor(4))));
  operands.push_back(lowering.read(lowering.plain(lowering.tensor(5))));
  operands.insert(operands.end(), a.mask.begin(), a.mask.end());
  const std::array<Tensor, 3> targets = {lowering.output(0), lowering.output(1),
                                         lowering.output(2)};
  lowering.append(a.attend, std::move(a.dims), 3, std::move(operands), targets);
}

}  // namespace

void add_attend_rows(OpTable& table) {
  table.add({"_scaled_dot_product_flash_attention_for_cpu"}, forward_row);
  table.add({"_scaled_dot_product_flash_attention_for_cpu_backward"}, backward_row);
}

}  // namespace trireme::graph
