// SPDX-License-Identifier: Apache-2.0
// The graph is written as bytes that no other graph is written as: fixed-size words, little-endian
// whatever the machine, lists and texts after their length, enumerators by name (their numbers may
// change when one is added). The bytes are hashed.
#include "trireme/graph/check/fingerprint.h"

#include <bit>
#include <optional>
#include <string_view>
#include <vector>

#include "trireme/graph/ir/attribute_names.h"

namespace trireme::graph {
namespace {

// To be increased when the same bytes come to mean something else.
constexpr std::string_view kVersion = "trireme graph 1";

class Writer {
 public:
  explicit Writer(const Graph& graph) : numbers_(graph.values.size(), kUnmade) {}

  void write(const Graph& graph) {
    text(kVersion);
    word(graph.symbols);
    word(graph.randoms);
    list(graph.numbers, [&](DType dtype) { text(name_of(dtype)); });
    list(graph.inputs, [&](ValueId input) { define(graph, input); });
    list(graph.nodes, [&](const Node& node) { write(graph, node); });
    list(graph.outputs, [&](const Output& output) {
      use(output.value);
      optional(output.input);
    });
  }

  Fingerprint hash() const { return base::siphash128(bytes_, 0, 0); }

 private:
  static constexpr uint64_t kUnmade = UINT64_MAX;

  void word(uint64_t value) {
    for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void real(double value) { word(std::bit_cast<uint64_t>(value)); }
  void text(std::string_view value) {
    word(value.size());
    for (const char c : value) bytes_.push_back(static_cast<uint8_t>(c));
  }
  template <class T, class Each>
  void list(const std::vector<T>& values, Each each) {
    word(values.size());
    for (const T& value : values) each(value);
  }
  void optional(const std::optional<uint32_t>& value) {
    word(value ? 1 : 0);
    if (value) word(*value);
  }

  void write(const Extent& extent) {
    word(static_cast<uint64_t>(extent.constant_part()));
    word(extent.terms().size());
    for (const Extent::Term& term : extent.terms()) {
      word(static_cast<uint64_t>(term.coefficient));
      list(term.symbols, [&](SymbolId symbol) { word(symbol); });
    }
  }
  void write(const Extents& extents) {
    list(extents, [&](const Extent& extent) { write(extent); });
  }
  void write(const View& view) {
    write(view.sizes);
    write(view.strides);
    write(view.offset);
  }
  void write(const NumberRef& number) {
    optional(number.input);
    if (!number.input) real(number.constant);
  }
  void write(const std::vector<IndexedDim>& indexed) {
    list(indexed, [&](const IndexedDim& dim) {
      write(dim.stride);
      write(dim.bound);
      word(dim.wraps ? 1 : 0);
    });
  }
  void write(const Expression& expression) {
    list(expression.nodes, [&](const ExprNode& node) {
      text(name_of(node.op));
      text(name_of(node.dtype));
      for (size_t i = 0; i < arity(node.op); ++i) word(node.args[i]);
      if (arity(node.op) != 0) return;
      word(node.index);
      word(static_cast<uint64_t>(node.integer));
      real(node.value);
    });
    list(expression.roots, [&](ExprId root) { word(root); });
  }

  // Gives the value the next number.
  void define(const Graph& graph, ValueId value) {
    numbers_.at(value) = made_++;
    text(name_of(graph.values[value].dtype));
    write(graph.values[value].count);
  }
  void use(ValueId value) { word(value == kNoValue ? kUnmade : numbers_.at(value)); }

  void write(const Graph& graph, const Node& node) {
    text(name_of(node.primitive));
    std::visit([&](const auto& primitive) { attributes(primitive); }, node.primitive);
    write(node.dims);
    word(node.parallel);
    list(node.operands, [&](const Operand& operand) {
      use(operand.value);
      text(name_of(operand.dtype));
      write(operand.view);
    });
    // Bases before results: they are values from above.
    list(node.results, [&](const Result& result) {
      use(result.base);
      text(name_of(result.dtype));
      write(result.view);
    });
    for (const Result& result : node.results) define(graph, result.value);
  }

  void attributes(const Map& map) { write(map.expression); }
  void attributes(const Reduce& reduce) {
    text(attribute_name(reduce.op));
    write(reduce.expression);
  }
  void attributes(const Contract& /*contract*/) {}
  void attributes(const Convolve& convolve) {
    text(attribute_name(convolve.kind));
    write(convolve.stride);
    write(convolve.padding);
    write(convolve.dilation);
    write(convolve.output_padding);
    write(convolve.groups);
    word(convolve.transposed ? 1 : 0);
  }
  void attributes(const Attend& attend) {
    word(attend.backward ? 1 : 0);
    word(attend.masked ? 1 : 0);
    word(attend.causal ? 1 : 0);
    write(attend.scale);
  }
  void attributes(const Gather& gather) { write(gather.indexed); }
  void attributes(const Scatter& scatter) {
    text(attribute_name(scatter.op));
    write(scatter.indexed);
  }
  void attributes(const Scan& scan) {
    text(attribute_name(scan.op));
    word(scan.dim);
  }
  void attributes(const Sort& sort) {
    word(sort.dim);
    word(sort.descending ? 1 : 0);
    word(sort.stable ? 1 : 0);
    word(sort.take ? 1 : 0);
    if (sort.take) write(*sort.take);
  }
  void attributes(const Random& random) {
    text(attribute_name(random.distribution));
    word(random.state);
    list(random.parameters, [&](const NumberRef& parameter) { write(parameter); });
  }
  void attributes(const Opaque& opaque) { text(opaque.call ? opaque.call->name() : ""); }

  std::vector<uint64_t> numbers_;  // by value: its place in the order of definition
  uint64_t made_ = 0;
  std::vector<uint8_t> bytes_;
};

}  // namespace

Fingerprint fingerprint(const Graph& graph) {
  Writer writer(graph);
  writer.write(graph);
  return writer.hash();
}

std::string to_string(const Fingerprint& fingerprint) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint64_t word : {fingerprint.first, fingerprint.second}) {
    for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[(word >> shift) & 15];
  }
  return text;
}

}  // namespace trireme::graph
