// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/text/parse.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/graph/ir/attribute_names.h"
#include "trireme/graph/text/numbered_name.h"
#include "trireme/graph/text/read_expression.h"
#include "trireme/graph/text/reader.h"

namespace trireme::graph {
namespace {

template <Attribute T>
T attribute(Reader& reader, const std::string& what) {
  const auto parsed = reader.token().kind == TokenKind::Word
                          ? parse_attribute<T>(reader.token().text)
                          : std::optional<T>();
  if (!parsed) reader.fail_expecting(what);
  reader.take();
  return *parsed;
}

NumberRef number_ref(Reader& reader) {
  NumberRef number;
  if ((number.input = reader.at_numbered("n"))) {
    reader.take();
  } else {
    number.constant = reader.real();
  }
  return number;
}

std::vector<IndexedDim> indexed_dims(Reader& reader) {
  std::vector<IndexedDim> dims;
  reader.sign('[');
  if (!reader.at_sign(']')) {
    do {
      IndexedDim dim;
      reader.keyword("stride");
      dim.stride = reader.extent();
      reader.keyword("bound");
      dim.bound = reader.extent();
      dim.wraps = !reader.take_word("nowrap");
      dims.push_back(std::move(dim));
    } while (reader.take_sign(','));
  }
  reader.sign(']');
  return dims;
}

Extents named_list(Reader& reader, std::string_view name) {
  reader.keyword(name);
  return reader.list();
}

// --- the attributes of each primitive, as print writes them ---

Reduce read_reduce(Reader& reader) {
  Reduce reduce;
  reduce.op = attribute<ReduceOp>(reader, "a reduction: sum, product, ...");
  return reduce;
}

Convolve read_convolve(Reader& reader) {
  Convolve c;
  c.kind = attribute<ConvolveKind>(reader, "forward, grad_input or grad_weight");
  c.transposed = reader.take_word("transposed");
  c.stride = named_list(reader, "stride");
  c.padding = named_list(reader, "padding");
  c.dilation = named_list(reader, "dilation");
  c.output_padding = named_list(reader, "output_padding");
  reader.keyword("groups");
  c.groups = reader.extent();
  return c;
}

Attend read_attend(Reader& reader) {
  Attend attend;
  attend.backward = reader.take_word("backward");
  if (!attend.backward) reader.keyword("forward");
  attend.masked = reader.take_word("masked");
  attend.causal = reader.take_word("causal");
  reader.keyword("scale");
  attend.scale = number_ref(reader);
  return attend;
}

Scatter read_scatter(Reader& reader) {
  Scatter scatter;
  scatter.op = attribute<ScatterOp>(reader, "a combination: set, add, ...");
  scatter.indexed = indexed_dims(reader);
  return scatter;
}

Scan read_scan(Reader& reader) {
  Scan scan;
  scan.op = attribute<ScanOp>(reader, "a reduction: sum, product, ...");
  reader.keyword("dim");
  scan.dim = reader.small_number();
  return scan;
}

Sort read_sort(Reader& reader) {
  Sort sort;
  reader.keyword("dim");
  sort.dim = reader.small_number();
  sort.descending = reader.take_word("descending");
  sort.stable = reader.take_word("stable");
  if (reader.take_word("take")) sort.take = reader.extent();
  return sort;
}

Random read_random(Reader& reader) {
  Random random;
  random.distribution = attribute<Distribution>(reader, "a distribution: uniform, normal, ...");
  reader.keyword("state");
  random.state = reader.small_number();
  reader.sign('[');
  if (!reader.at_sign(']')) {
    do {
      random.parameters.push_back(number_ref(reader));
    } while (reader.take_sign(','));
  }
  reader.sign(']');
  return random;
}

class GraphReader {
 public:
  GraphReader(std::string_view text, const OpaqueFactory& factory)
      : reader_(text), factory_(factory) {}

  Graph run() {
    while (!reader_.at_end()) item();
    finish_values();
    return std::move(graph_);
  }

 private:
  void item() {
    if (reader_.take_word("symbols")) {
      graph_.symbols = reader_.small_number();
    } else if (reader_.take_word("randoms")) {
      graph_.randoms = reader_.small_number();
    } else if (reader_.take_word("number")) {
      const Token at = reader_.token();
      if (reader_.numbered("n", "a number's name, n0") != graph_.numbers.size()) {
        Reader::fail(at, "expected n" + std::to_string(graph_.numbers.size()) +
                             ": numbers are declared in order");
      }
      reader_.sign(':');
      graph_.numbers.push_back(reader_.dtype());
    } else if (reader_.take_word("input")) {
      graph_.inputs.push_back(declaration());
    } else if (reader_.take_word("unmade")) {
      declaration();
    } else if (reader_.take_word("output")) {
      output();
    } else if (reader_.at_sign('%') || reader_.at_word("_")) {
      node();
    } else {
      reader_.fail_expecting("symbols, randoms, number, input, unmade, output or a node");
    }
  }

  void output() {
    Output output{.value = use(), .input = {}};
    if (reader_.take_word("replaces")) {
      reader_.keyword("input");
      output.input = reader_.small_number();
    }
    graph_.outputs.push_back(output);
  }

  ValueId value_name() {
    reader_.sign('%');
    return reader_.small_number();
  }

  // %3, of a value that is declared somewhere
  ValueId use() {
    const Token at = reader_.token();
    const ValueId value = value_name();
    uses_.emplace(value, at);
    return value;
  }

  // %3: f32[1024]
  ValueId declaration() {
    const Token at = reader_.token();
    const ValueId id = value_name();
    Value value;
    reader_.sign(':');
    value.dtype = reader_.dtype();
    reader_.sign('[');
    value.count = reader_.extent();
    reader_.sign(']');
    uses_.emplace(id, at);
    const auto [found, added] = values_.emplace(id, value);
    if (!added && (found->second.dtype != value.dtype || found->second.count != value.count)) {
      Reader::fail(at, numbered_name("%", id) + " has been declared with another type before");
    }
    return id;
  }

  // What may be left out when a node reads or writes a value.
  struct Access {
    ValueId value = kNoValue;
    std::optional<DType> dtype{};
    std::optional<View> view{};
    ValueId base = kNoValue;
  };

  // [as <dtype>] [at <view>]
  void access(Access& access) {
    if (reader_.take_word("as")) access.dtype = reader_.dtype();
    if (reader_.take_word("at")) access.view = reader_.view();
  }

  std::vector<Access> results() {
    std::vector<Access> results;
    if (reader_.take_word("_")) return results;
    do {
      Access& result = results.emplace_back(Access{.value = declaration()});
      access(result);
      if (reader_.take_word("over")) result.base = use();
    } while (reader_.take_sign(','));
    return results;
  }

  void node() {
    Node node;
    const std::vector<Access> written = results();
    reader_.sign('=');
    node.primitive = primitive();
    dims(node);
    if (reader_.take_word("call")) node.call = reader_.small_number();
    const View usual = View::row_major({node.dims.begin(), node.dims.begin() + node.parallel});
    for (const Access& result : written) {
      node.results.push_back({.value = result.value,
                              .dtype = result.dtype.value_or(values_.at(result.value).dtype),
                              .view = result.view.value_or(usual),
                              .base = result.base});
    }
    reader_.sign('{');
    operands(node);
    if (Map* map = node.as<Map>()) map->expression = read_expression(reader_);
    if (Reduce* reduce = node.as<Reduce>()) reduce->expression = read_expression(reader_);
    reader_.sign('}');
    graph_.nodes.push_back(std::move(node));
  }

  void dims(Node& node) {
    bool reduction = false;
    reader_.sign('(');
    while (!reader_.at_sign(')')) {
      if (!reduction && reader_.take_sign('|')) {
        reduction = true;
      } else if (!node.dims.empty()) {
        reader_.sign(',');
      }
      const std::string name = numbered_name("i", node.dims.size());
      if (!reader_.take_word(name)) reader_.fail_expecting("the dimension " + name);
      reader_.sign('<');
      node.dims.push_back(reader_.extent());
      if (!reduction) ++node.parallel;
    }
    reader_.sign(')');
  }

  void operands(Node& node) {
    const View usual = View::row_major(node.dims);
    while (reader_.at_numbered("a")) {
      const std::string name = numbered_name("a", node.operands.size());
      if (!reader_.take_word(name)) reader_.fail_expecting("the operand " + name);
      reader_.sign('=');
      Access read{.value = use()};
      access(read);
      if (!read.dtype) untyped_.push_back({graph_.nodes.size(), node.operands.size()});
      node.operands.push_back({.value = read.value,
                               .dtype = read.dtype.value_or(DType::Float32),
                               .view = read.view.value_or(usual)});
    }
  }

  Primitive primitive() {
    if (reader_.take_word("map")) return Map{};
    if (reader_.take_word("reduce")) return read_reduce(reader_);
    if (reader_.take_word("contract")) return Contract{};
    if (reader_.take_word("convolve")) return read_convolve(reader_);
    if (reader_.take_word("attend")) return read_attend(reader_);
    if (reader_.take_word("gather")) return Gather{indexed_dims(reader_)};
    if (reader_.take_word("scatter")) return read_scatter(reader_);
    if (reader_.take_word("scan")) return read_scan(reader_);
    if (reader_.take_word("sort")) return read_sort(reader_);
    if (reader_.take_word("random")) return read_random(reader_);
    if (reader_.take_word("opaque")) return opaque();
    reader_.fail_expecting("a primitive: map, reduce, ...");
  }

  Opaque opaque() {
    const Token at = reader_.token();
    const std::string name = reader_.string();
    Opaque opaque{factory_ ? factory_(name) : nullptr};
    if (!opaque.call) Reader::fail(at, "no opaque call is known by the name '" + name + "'");
    return opaque;
  }

  // All are declared, without gaps; operands get the dtypes that were left out.
  void finish_values() {
    for (const auto& [value, at] : uses_) {
      const std::string name = numbered_name("%", value);
      if (!values_.contains(value)) Reader::fail(at, name + " is declared nowhere");
      if (value != graph_.values.size()) {
        Reader::fail(at, name + " leaves a gap: expected %" + std::to_string(graph_.values.size()) +
                             " among the values");
      }
      graph_.values.push_back(values_.at(value));
    }
    for (const auto& [node, operand] : untyped_) {
      Operand& read = graph_.nodes[node].operands[operand];
      read.dtype = graph_.values[read.value].dtype;
    }
  }

  Graph graph_;
  Reader reader_;
  const OpaqueFactory& factory_;
  std::map<ValueId, Value> values_;
  std::map<ValueId, Token> uses_;                     // the first mention of each
  std::vector<std::pair<size_t, size_t>> untyped_{};  // node and operand
};

}  // namespace

Graph parse(std::string_view text, const OpaqueFactory& factory) {
  return GraphReader(text, factory).run();
}

Expression parse_expression(std::string_view text) {
  Reader reader(text);
  Expression expression = read_expression(reader);
  if (!reader.at_end()) reader.fail_expecting("the end of the expression");
  return expression;
}

}  // namespace trireme::graph
