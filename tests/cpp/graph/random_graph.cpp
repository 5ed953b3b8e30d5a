// SPDX-License-Identifier: Apache-2.0
#include "random_graph.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <random>
#include <vector>

namespace trireme::graph::testing {
namespace {

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Graph run() {
    graph_.symbols = 4;
    graph_.randoms = below(3);
    for (uint32_t i = below(4); i > 0; --i) graph_.numbers.push_back(dtype());
    for (uint32_t i = 1 + below(3); i > 0; --i) graph_.add_input(dtype(), extent());
    if (chance()) graph_.add_value(dtype(), extent());  // that nothing makes
    for (uint32_t i = below(20); i > 0; --i) graph_.nodes.push_back(node());
    for (uint32_t i = below(3); i > 0; --i) {
      Output output{.value = value(), .input = {}};
      if (chance()) output.input = below(3);
      graph_.outputs.push_back(output);
    }
    return std::move(graph_);
  }

 private:
  uint32_t below(uint32_t end) { return static_cast<uint32_t>(random_() % end); }
  bool chance() { return below(2) == 0; }
  template <class T>
  T enumerator(T last) {
    return static_cast<T>(below(static_cast<uint32_t>(last) + 1));
  }
  DType dtype() { return enumerator(DType::Complex128); }
  ValueId value() { return below(static_cast<uint32_t>(graph_.values.size())); }

  int64_t integer() {
    switch (below(8)) {
      case 0:
        return std::numeric_limits<int64_t>::min();
      case 1:
        return std::numeric_limits<int64_t>::max();
      default:
        return static_cast<int64_t>(below(40)) - 10;
    }
  }
  double real() {
    switch (below(4)) {
      case 0:
        return std::bit_cast<double>(random_());  // any bits
      case 1:
        return -0.0;
      default:
        return static_cast<double>(integer()) / 4;
    }
  }

  // Small: sizes are multiplied.
  int64_t size() { return static_cast<int64_t>(below(40)) - 10; }
  Extent extent() {
    if (below(3) != 0) return size();
    std::vector<Extent::Term> terms;
    for (uint32_t i = below(3); i > 0; --i) {
      Extent::Term term{size(), {below(4)}};
      for (uint32_t k = below(3); k > 0; --k) term.symbols.push_back(below(4));
      terms.push_back(std::move(term));
    }
    return Extent::of(size(), std::move(terms));
  }
  Extents extents() {
    Extents result;
    for (uint32_t i = below(4); i > 0; --i) result.push_back(extent());
    return result;
  }
  View view() {
    View view{.sizes = extents(), .strides = {}};
    for (size_t i = 0; i < view.rank(); ++i) view.strides.push_back(extent());
    if (chance()) view.offset = extent();
    return view;
  }
  NumberRef number() {
    NumberRef number;
    if (chance()) {
      number.input = below(5);
    } else {
      number.constant = real();
    }
    return number;
  }
  std::vector<IndexedDim> indexed() {
    std::vector<IndexedDim> dims(below(3));
    for (IndexedDim& dim : dims) dim = {extent(), extent(), chance()};
    return dims;
  }

  Expression expression() {
    Expression e;
    const auto any = [&] { return below(static_cast<uint32_t>(e.nodes.size())); };
    for (uint32_t i = below(30); i > 0; --i) {
      ExprNode node{.op = enumerator(ScalarOp::Select), .dtype = dtype()};
      if (e.nodes.empty() || below(3) == 0) node.op = enumerator(ScalarOp::Extent);
      for (size_t k = 0; k < arity(node.op); ++k) {
        // Mostly of the last ones, so that terms nest.
        const auto count = static_cast<uint32_t>(e.nodes.size());
        node.args[k] = chance() ? any() : count - 1 - below(std::min<uint32_t>(count, 3));
        if (chance()) node.dtype = e.nodes[node.args[k]].dtype;
      }
      if (node.op == ScalarOp::Constant) {
        if (is_integral(node.dtype)) {
          node.integer = integer();
        } else {
          node.value = real();
        }
      } else if (arity(node.op) == 0) {
        node.index = below(5);
      }
      e.nodes.push_back(node);
    }
    if (e.nodes.empty()) return e;
    for (uint32_t i = below(4); i > 0; --i) e.roots.push_back(any());
    return e;
  }

  Primitive primitive() {
    switch (below(11)) {
      case 0:
        return Map{expression()};
      case 1:
        return Reduce{enumerator(ReduceOp::LogSumExp), expression()};
      case 2:
        return Contract{};
      case 3:
        return Convolve{enumerator(ConvolveKind::GradWeight),
                        extents(),
                        extents(),
                        extents(),
                        extents(),
                        extent(),
                        chance()};
      case 4:
        return Attend{chance(), chance(), chance(), number()};
      case 5:
        return Gather{indexed()};
      case 6:
        return Scatter{enumerator(ScatterOp::Minimum), indexed()};
      case 7:
        return Scan{enumerator(ScanOp::LogSumExp), below(4)};
      case 8:
        return Sort{below(4), chance(), chance(),
                    chance() ? std::optional<Extent>(extent()) : std::nullopt};
      case 9:
        return Random{enumerator(Distribution::Integer), below(3), {number(), number()}};
      default:
        return Opaque{named_call(chance() ? "aten::linalg_svd" : "a \"strange\"\n\\name")};
    }
  }

  Node node() {
    Node node{.primitive = primitive(), .dims = extents(), .call = below(3)};
    node.parallel = below(static_cast<uint32_t>(node.dims.size()) + 1);
    for (uint32_t i = below(4); i > 0; --i) {
      const ValueId read = value();
      const DType type = chance() ? graph_.values[read].dtype : dtype();
      node.operands.push_back({read, type, chance() ? view() : View::row_major(node.dims)});
    }
    for (uint32_t i = below(3); i > 0; --i) {
      const ValueId base = chance() ? value() : kNoValue;
      const ValueId made = graph_.add_value(dtype(), extent());
      const DType type = chance() ? graph_.values[made].dtype : dtype();
      node.results.push_back({made, type, view(), base});
    }
    return node;
  }

  std::mt19937_64 random_;
  Graph graph_;
};

}  // namespace

Graph random_graph(uint64_t seed) { return Generator(seed).run(); }

}  // namespace trireme::graph::testing
