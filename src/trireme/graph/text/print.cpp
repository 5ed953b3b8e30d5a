// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/text/print.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "trireme/graph/ir/attribute_names.h"
#include "trireme/graph/text/numbered_name.h"

namespace trireme::graph {
namespace {

std::string joined(const Extents& extents) {
  std::string text;
  for (const Extent& extent : extents) {
    if (!text.empty()) text += ", ";
    text += print(extent);
  }
  return text;
}

std::string list(const Extents& extents) {
  std::string text = "[";
  text += joined(extents);
  text += "]";
  return text;
}

std::string written(const NumberRef& number) {
  return number.input ? numbered_name("n", *number.input) : print(number.constant);
}

std::string listing(const std::vector<IndexedDim>& indexed) {
  std::string text = " [";
  for (const IndexedDim& dim : indexed) {
    if (text.size() > 2) text += ", ";
    text += "stride " + print(dim.stride) + " bound " + print(dim.bound);
    if (!dim.wraps) text += " nowrap";
  }
  return text + "]";
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string flag(bool holds, const char* name) { return holds ? std::string(" ") + name : ""; }

template <Attribute T>
std::string word(T attribute) {
  return " " + std::string(attribute_name(attribute));
}

// --- what follows the primitive's name ---

std::string attributes(const Map& /*map*/) { return ""; }
std::string attributes(const Reduce& reduce) { return word(reduce.op); }
std::string attributes(const Contract& /*contract*/) { return ""; }
std::string attributes(const Convolve& c) {
  return word(c.kind) + flag(c.transposed, "transposed") + " stride " + list(c.stride) +
         " padding " + list(c.padding) + " dilation " + list(c.dilation) + " output_padding " +
         list(c.output_padding) + " groups " + print(c.groups);
}
std::string attributes(const Attend& attend) {
  return (attend.backward ? " backward" : " forward") + flag(attend.masked, "masked") +
         flag(attend.causal, "causal") + " scale " + written(attend.scale);
}
std::string attributes(const Gather& gather) { return listing(gather.indexed); }
std::string attributes(const Scatter& scatter) {
  return word(scatter.op) + listing(scatter.indexed);
}
std::string attributes(const Scan& scan) {
  return word(scan.op) + " dim " + std::to_string(scan.dim);
}
std::string attributes(const Sort& sort) {
  return " dim " + std::to_string(sort.dim) + flag(sort.descending, "descending") +
         flag(sort.stable, "stable") + (sort.take ? " take " + print(*sort.take) : "");
}
std::string attributes(const Random& random) {
  std::string text = word(random.distribution) + " state " + std::to_string(random.state) + " [";
  for (size_t i = 0; i < random.parameters.size(); ++i) {
    text += (i == 0 ? "" : ", ") + written(random.parameters[i]);
  }
  return text + "]";
}
std::string attributes(const Opaque& opaque) {
  return " " + quoted(opaque.call ? opaque.call->name() : "");
}

class GraphPrinter {
 public:
  explicit GraphPrinter(const Graph& graph) : graph_(graph) {}

  std::string run() {
    header();
    for (const Node& node : graph_.nodes) print_node(node);
    for (const Output& output : graph_.outputs) {
      out_ += "output " + name(output.value);
      if (output.input) out_ += " replaces input " + std::to_string(*output.input);
      out_ += "\n";
    }
    return std::move(out_);
  }

 private:
  static std::string name(ValueId value) {
    return value == kNoValue ? "%none" : numbered_name("%", value);
  }

  // %3: f32[1024]
  std::string typed(ValueId value) const {
    if (value >= graph_.values.size()) return name(value);
    const Value& v = graph_.values[value];
    return name(value) + ": " + std::string(name_of(v.dtype)) + "[" + print(v.count) + "]";
  }

  void header() {
    if (graph_.symbols != 0) out_ += "symbols " + std::to_string(graph_.symbols) + "\n";
    if (graph_.randoms != 0) out_ += "randoms " + std::to_string(graph_.randoms) + "\n";
    for (size_t i = 0; i < graph_.numbers.size(); ++i) {
      out_ +=
          "number n" + std::to_string(i) + ": " + std::string(name_of(graph_.numbers[i])) + "\n";
    }
    std::vector<bool> made(graph_.values.size(), false);
    const auto mark = [&](ValueId value) {
      if (value < made.size()) made[value] = true;
    };
    for (const ValueId input : graph_.inputs) {
      mark(input);
      out_ += "input " + typed(input) + "\n";
    }
    for (const Node& node : graph_.nodes) {
      for (const Result& result : node.results) mark(result.value);
    }
    for (ValueId value = 0; value < made.size(); ++value) {
      if (!made[value]) out_ += "unmade " + typed(value) + "\n";
    }
  }

  // What a view is where none is written.
  static View usual_view(const Node& node, bool with_reduction) {
    const size_t rank =
        with_reduction ? node.dims.size() : std::min<size_t>(node.parallel, node.dims.size());
    return View::row_major({node.dims.begin(), node.dims.begin() + static_cast<ptrdiff_t>(rank)});
  }

  // as c64 at [32, 32 : 32, 1]
  std::string access(ValueId value, DType dtype, const View& view, const View& usual) const {
    std::string text;
    if (value >= graph_.values.size() || graph_.values[value].dtype != dtype) {
      text += " as " + std::string(name_of(dtype));
    }
    return view == usual ? text : text + " at " + print(view);
  }

  void print_node(const Node& node) {
    const View result_view = usual_view(node, false);
    for (size_t i = 0; i < node.results.size(); ++i) {
      const Result& result = node.results[i];
      out_ += (i == 0 ? "" : ", ") + typed(result.value) +
              access(result.value, result.dtype, result.view, result_view);
      if (result.base != kNoValue) out_ += " over " + name(result.base);
    }
    if (node.results.empty()) out_ += "_";
    out_ += " = " + std::string(name_of(node.primitive));
    out_ += std::visit([](const auto& primitive) { return attributes(primitive); }, node.primitive);
    dims(node);
    if (node.call != 0) out_ += " call " + std::to_string(node.call);
    body(node);
  }

  void dims(const Node& node) {
    out_ += " (";
    for (size_t i = 0; i < node.dims.size(); ++i) {
      if (i == node.parallel) {
        out_ += i == 0 ? "| " : " | ";
      } else if (i != 0) {
        out_ += ", ";
      }
      out_ += numbered_name("i", i) + " < " + print(node.dims[i]);
    }
    out_ += ")";
  }

  void body(const Node& node) {
    out_ += " {\n";
    const View view = usual_view(node, true);
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const Operand& operand = node.operands[i];
      out_ += "  a" + std::to_string(i) + " = " + name(operand.value) +
              access(operand.value, operand.dtype, operand.view, view) + "\n";
    }
    if (const Map* map = node.as<Map>()) out_ += print(map->expression, "  ");
    if (const Reduce* reduce = node.as<Reduce>()) out_ += print(reduce->expression, "  ");
    out_ += "}\n";
  }

  const Graph& graph_;
  std::string out_;
};

// |value| in digits: of the least integer, too.
std::string magnitude(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  return std::to_string(value < 0 ? 0 - bits : bits);
}

}  // namespace

std::string print(const Extent& extent) {
  std::string text;
  const auto add = [&](int64_t coefficient, const std::string& what) {
    if (text.empty()) {
      if (coefficient < 0) text += '-';
    } else {
      text += coefficient < 0 ? " - " : " + ";
    }
    text += what;
  };
  for (const Extent::Term& term : extent.terms()) {
    const bool one = term.coefficient == 1 || term.coefficient == -1;
    std::string factors = one ? "" : magnitude(term.coefficient);
    for (const SymbolId symbol : term.symbols) {
      factors += numbered_name(factors.empty() ? "s" : "*s", symbol);
    }
    add(term.coefficient, factors);
  }
  const int64_t rest = extent.constant_part();
  if (rest != 0 || text.empty()) add(rest, magnitude(rest));
  return text;
}

std::string print(const View& view) {
  if (view == View::row_major(view.sizes)) return list(view.sizes);
  std::string text = "[" + joined(view.sizes) + " : " + joined(view.strides);
  if (!view.offset.is(0)) text += " : " + print(view.offset);
  return text + "]";
}

std::string print(double value) {
  if (std::isnan(value)) {
    const auto bits = std::bit_cast<uint64_t>(value);
    if (bits == std::bit_cast<uint64_t>(std::numeric_limits<double>::quiet_NaN())) return "nan";
    std::array<char, 17> digits{};
    std::to_chars(digits.data(), digits.data() + 16, bits, 16);
    return "nan_" + std::string(digits.data());
  }
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> digits{};  // 24 at most
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), end.ptr};
}

std::string print(const Graph& graph) { return GraphPrinter(graph).run(); }

}  // namespace trireme::graph
