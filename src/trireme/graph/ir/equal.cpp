// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/equal.h"

#include <algorithm>
#include <bit>
#include <type_traits>

namespace trireme::graph {
namespace {

bool same(const Value& a, const Value& b) { return a.dtype == b.dtype && a.count == b.count; }

bool same(const Operand& a, const Operand& b) {
  return a.value == b.value && a.dtype == b.dtype && a.view == b.view;
}

bool same(const Result& a, const Result& b) {
  return a.value == b.value && a.dtype == b.dtype && a.view == b.view && a.base == b.base;
}

bool same(const Output& a, const Output& b) { return a.value == b.value && a.input == b.input; }

// Where it names an input, the constant has no meaning.
bool same(const NumberRef& a, const NumberRef& b) {
  return a.input == b.input &&
         (a.input || std::bit_cast<uint64_t>(a.constant) == std::bit_cast<uint64_t>(b.constant));
}

template <class T>
bool all_same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::ranges::equal(a, b, [](const T& x, const T& y) { return same(x, y); });
}

bool same(const Map& a, const Map& b) { return a.expression == b.expression; }
bool same(const Reduce& a, const Reduce& b) { return a.op == b.op && a.expression == b.expression; }
bool same(const Contract& /*a*/, const Contract& /*b*/) { return true; }
bool same(const Convolve& a, const Convolve& b) {
  return a.kind == b.kind && a.stride == b.stride && a.padding == b.padding &&
         a.dilation == b.dilation && a.output_padding == b.output_padding && a.groups == b.groups &&
         a.transposed == b.transposed;
}
bool same(const Attend& a, const Attend& b) {
  return a.backward == b.backward && a.masked == b.masked && a.causal == b.causal &&
         same(a.scale, b.scale);
}
bool same(const Gather& a, const Gather& b) { return a.indexed == b.indexed; }
bool same(const Scatter& a, const Scatter& b) { return a.op == b.op && a.indexed == b.indexed; }
bool same(const Scan& a, const Scan& b) { return a.op == b.op && a.dim == b.dim; }
bool same(const Sort& a, const Sort& b) {
  return a.dim == b.dim && a.descending == b.descending && a.stable == b.stable && a.take == b.take;
}
bool same(const Random& a, const Random& b) {
  return a.distribution == b.distribution && a.state == b.state &&
         all_same(a.parameters, b.parameters);
}
bool same(const Opaque& a, const Opaque& b) {
  if (!a.call || !b.call) return a.call == b.call;
  return a.call->name() == b.call->name();
}

}  // namespace

bool equal(const Node& left, const Node& right) {
  const bool primitives = std::visit(
      [](const auto& a, const auto& b) {
        if constexpr (std::is_same_v<decltype(a), decltype(b)>) {
          return same(a, b);
        } else {
          return false;
        }
      },
      left.primitive, right.primitive);
  return primitives && left.dims == right.dims && left.parallel == right.parallel &&
         left.call == right.call && all_same(left.operands, right.operands) &&
         all_same(left.results, right.results);
}

bool equal(const Graph& left, const Graph& right) {
  return all_same(left.values, right.values) && left.inputs == right.inputs &&
         all_same(left.outputs, right.outputs) && left.numbers == right.numbers &&
         left.symbols == right.symbols && left.randoms == right.randoms &&
         std::ranges::equal(left.nodes, right.nodes,
                            [](const Node& a, const Node& b) { return equal(a, b); });
}

}  // namespace trireme::graph
