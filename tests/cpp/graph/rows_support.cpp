// SPDX-License-Identifier: Apache-2.0
#include "tests/cpp/graph/rows_support.h"

#include <cmath>
#include <sstream>
#include <stdexcept>

namespace trireme::graph::testing {
namespace {

double convert(double value, DType dtype) {
  if (dtype == DType::Bool) return value != 0 ? 1 : 0;
  if (is_integral(dtype)) return std::trunc(value);
  return dtype == DType::Float32 ? static_cast<float>(value) : value;
}

double unary(ScalarOp op, double a, DType dtype) {
  switch (op) {
    case ScalarOp::Cast:
      return a;  // the caller converts
    case ScalarOp::Neg:
      return -a;
    case ScalarOp::Abs:
      return std::abs(a);
    case ScalarOp::Not:
      return dtype == DType::Bool ? static_cast<double>(a == 0)
                                  : static_cast<double>(~static_cast<int64_t>(a));
    case ScalarOp::Sign:
      return a > 0 ? 1 : (a < 0 ? -1 : 0);
    case ScalarOp::Trunc:
      return std::trunc(a);
    case ScalarOp::Round:
      return std::nearbyint(a);
    case ScalarOp::Sqrt:
      return std::sqrt(a);
    case ScalarOp::Rsqrt:
      return 1 / std::sqrt(a);
    case ScalarOp::Reciprocal:
      return 1 / a;
    case ScalarOp::Exp:
      return std::exp(a);
    case ScalarOp::Exp2:
      return std::exp2(a);
    case ScalarOp::Expm1:
      return std::expm1(a);
    case ScalarOp::Log:
      return std::log(a);
    case ScalarOp::Log1p:
      return std::log1p(a);
    case ScalarOp::Tanh:
      return std::tanh(a);
    case ScalarOp::Erf:
      return std::erf(a);
    case ScalarOp::Sigmoid:
      return 1 / (1 + std::exp(-a));
    case ScalarOp::IsNan:
      return std::isnan(a) ? 1 : 0;
    case ScalarOp::IsInf:
      return std::isinf(a) ? 1 : 0;
    default:
      throw std::logic_error("the tests cannot compute " + std::string(name_of(op)));
  }
}

double binary(ScalarOp op, double a, double b, DType dtype) {
  switch (op) {
    case ScalarOp::Add:
      return dtype == DType::Bool ? static_cast<double>(a != 0 || b != 0) : a + b;
    case ScalarOp::Sub:
      return a - b;
    case ScalarOp::Mul:
      return a * b;
    case ScalarOp::Div:
      return is_integral(dtype) ? std::trunc(a / b) : a / b;
    case ScalarOp::FloorDiv:
      return std::floor(a / b);
    case ScalarOp::Pow:
      return std::pow(a, b);
    case ScalarOp::Minimum:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
    case ScalarOp::Maximum:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
    case ScalarOp::Copysign:
      return std::copysign(a, b);
    case ScalarOp::Eq:
      return a == b ? 1 : 0;
    case ScalarOp::Lt:
      return a < b ? 1 : 0;
    case ScalarOp::Le:
      return a <= b ? 1 : 0;
    case ScalarOp::Gt:
      return a > b ? 1 : 0;
    case ScalarOp::Ge:
      return a >= b ? 1 : 0;
    case ScalarOp::And:
      return static_cast<double>(static_cast<int64_t>(a) & static_cast<int64_t>(b));
    case ScalarOp::Or:
      return static_cast<double>(static_cast<int64_t>(a) | static_cast<int64_t>(b));
    case ScalarOp::Xor:
      return static_cast<double>(static_cast<int64_t>(a) ^ static_cast<int64_t>(b));
    default:
      throw std::logic_error("the tests cannot compute " + std::string(name_of(op)));
  }
}

std::vector<double> evaluated(const Expression& expression, const std::vector<double>& operands,
                              const std::vector<double>& numbers) {
  std::vector<double> values;
  for (const ExprNode& node : expression.nodes) {
    const auto arg = [&](size_t i) { return values.at(node.args[i]); };
    double value = 0;
    if (node.op == ScalarOp::Load) {
      value = operands.at(node.index);
    } else if (node.op == ScalarOp::Number) {
      value = numbers.at(node.index);
    } else if (node.op == ScalarOp::Constant) {
      value = is_integral(node.dtype) ? static_cast<double>(node.integer) : node.value;
    } else if (node.op == ScalarOp::Select) {
      value = arg(0) != 0 ? arg(1) : arg(2);
    } else if (arity(node.op) == 1) {
      value = unary(node.op, arg(0), node.dtype);
    } else {
      value = binary(node.op, arg(0), arg(1), node.dtype);
    }
    values.push_back(convert(value, node.dtype));
  }
  std::vector<double> results;
  for (const ExprId root : expression.roots) results.push_back(values.at(root));
  return results;
}

void print(std::ostream& out, const Expression& expression, ExprId id) {
  const ExprNode& node = expression.nodes[id];
  switch (node.op) {
    case ScalarOp::Load:
      out << "load" << node.index;
      return;
    case ScalarOp::Number:
      out << "number" << node.index;
      return;
    case ScalarOp::Constant:
      if (is_integral(node.dtype)) {
        out << node.integer;
      } else {
        out << node.value;
      }
      return;
    default:
      break;
  }
  out << (node.op == ScalarOp::Cast ? name_of(node.dtype) : name_of(node.op)) << '(';
  for (size_t i = 0; i < arity(node.op); ++i) {
    if (i > 0) out << ", ";
    print(out, expression, node.args[i]);
  }
  out << ')';
}

}  // namespace

Number integer(int64_t value) {
  Number number;
  number.integer = value;
  return number;
}

Number real(double value) {
  Number number;
  number.dtype = DType::Float64;
  number.real = value;
  return number;
}

StorageId CallRunner::add_storage(GraphBuilder::Origin origin, const Extents& sizes, DType dtype) {
  const StorageId storage =
      builder_.add_storage(origin, product(sizes) * static_cast<int64_t>(size_of(dtype)));
  storages_.push_back(storage);
  return storage;
}

Tensor CallRunner::tensor(const Extents& sizes, DType dtype) {
  Tensor tensor;
  tensor.storage = add_storage(GraphBuilder::Origin::Outside, sizes, dtype);
  tensor.dtype = dtype;
  const View view = View::row_major(sizes);
  tensor.sizes = view.sizes;
  tensor.strides = view.strides;
  return tensor;
}

Tensor CallRunner::scalar(double value, DType dtype) {
  const Tensor made = tensor({}, dtype);
  before_[made.storage] = value;
  return made;
}

Tensor CallRunner::fresh(const Extents& sizes, DType dtype) {
  Tensor made = tensor(sizes, dtype);
  made.storage = add_storage(GraphBuilder::Origin::Inside, sizes, dtype);
  return made;
}

Number CallRunner::varying(double value) {
  Number number = real(value);
  number.input = builder_.add_number(DType::Float64);
  number.varies = true;
  numbers_.push_back(value);
  return number;
}

void CallRunner::add(const std::string& name, std::vector<Argument> args,
                     std::vector<Tensor> outputs) {
  OpCall call;
  call.name = "aten::" + name;
  call.args = std::move(args);
  call.outputs = std::move(outputs);
  builder_.add(call);
}

const Graph& CallRunner::graph() {
  if (!finished_) graph_ = builder_.finish(storages_);
  finished_ = true;
  return graph_;
}

void CallRunner::evaluate() {
  const Graph& made = graph();
  std::vector<double> values(made.values.size());
  for (size_t i = 0; i < made.inputs.size(); ++i) {
    values[made.inputs[i]] = before_.at(builder_.input_storages()[i]);
  }
  for (const Node& node : made.nodes) {
    const Map* map = node.as<Map>();
    if (map == nullptr || !node.dims.empty()) throw std::logic_error("no map over one element");
    std::vector<double> operands;
    for (const Operand& operand : node.operands) operands.push_back(values[operand.value]);
    const auto results = evaluated(map->expression, operands, numbers_);
    for (size_t i = 0; i < results.size(); ++i) values[node.results[i].value] = results[i];
  }
  for (size_t i = 0; i < made.outputs.size(); ++i) {
    after_[builder_.output_storages()[i]] = values[made.outputs[i].value];
  }
}

double CallRunner::value(const Tensor& tensor) {
  if (after_.empty()) evaluate();
  const auto written = after_.find(tensor.storage);
  return written == after_.end() ? before_.at(tensor.storage) : written->second;
}

double result(const std::string& name, std::vector<double> tensors, std::vector<Argument> others,
              DType dtype) {
  CallRunner calls;
  std::vector<Argument> args;
  for (const double value : tensors) args.emplace_back(calls.scalar(value));
  args.insert(args.end(), others.begin(), others.end());
  const Tensor output = calls.fresh_scalar(dtype);
  calls.add(name, std::move(args), {output});
  if (!calls.declined().empty()) throw std::runtime_error(calls.declined().front());
  return calls.value(output);
}

std::string text(const Node& node) {
  const Map* map = node.as<Map>();
  if (map == nullptr) return std::string(name_of(node.primitive));
  std::ostringstream out;
  print(out, map->expression, map->expression.roots.at(0));
  return out.str();
}

}  // namespace trireme::graph::testing
