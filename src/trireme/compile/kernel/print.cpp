// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {
namespace {

std::string text_of(const Extent& extent) {
  std::string text;
  if (extent.is_constant() || extent.constant_part() != 0) {
    text = std::to_string(extent.constant_part());
  }
  for (const Extent::Term& term : extent.terms()) {
    if (!text.empty()) text += '+';
    if (term.coefficient != 1) text += std::to_string(term.coefficient) + '*';
    for (size_t i = 0; i < term.symbols.size(); ++i) {
      text += (i == 0 ? "s" : "*s") + std::to_string(term.symbols[i]);
    }
  }
  return text;
}

std::string_view name_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::Sum:
      return "sum";
    case ReduceOp::Product:
      return "product";
    case ReduceOp::Maximum:
      return "maximum";
    case ReduceOp::Minimum:
      return "minimum";
    case ReduceOp::Any:
      return "any";
    case ReduceOp::All:
      return "all";
    case ReduceOp::ArgMaximum:
      return "arg_maximum";
    case ReduceOp::ArgMinimum:
      return "arg_minimum";
    case ReduceOp::Welford:
      return "welford";
    case ReduceOp::LogSumExp:
      return "log_sum_exp";
  }
  return "?";
}

std::string_view name_of(graph::Distribution distribution) {
  switch (distribution) {
    case graph::Distribution::Uniform:
      return "uniform";
    case graph::Distribution::Normal:
      return "normal";
    case graph::Distribution::Bernoulli:
      return "bernoulli";
    case graph::Distribution::Exponential:
      return "exponential";
    case graph::Distribution::Integer:
      return "integer";
  }
  return "?";
}

// As few digits as bring the same bits back; of a NaN its bits.
std::string text_of(double value) {
  if (std::isnan(value)) return "nan_" + std::to_string(std::bit_cast<uint64_t>(value));
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end};
}

class Printer {
 public:
  std::string text;

  void loop(const Loop& loop, size_t depth) {
    line(depth, std::string(loop.kind == LoopKind::Vector ? "vector" : "for") + " i" +
                    std::to_string(loop.id) + " < " + text_of(loop.count) + ":");
    for (const Statement& statement : loop.body) {
      if (const auto* inner = std::get_if<Loop>(&statement.is)) {
        this->loop(*inner, depth + 1);
      } else {
        line(depth + 1, std::visit([](const auto& one) { return text_for(one); }, statement.is));
      }
    }
  }

  void line(size_t depth, const std::string& what) {
    text.append(2 * depth, ' ');
    text += what + '\n';
  }

 private:
  static std::string reg(RegisterId number) { return "r" + std::to_string(number); }

  static std::string index(const Index& at) {
    std::string text = text_of(at.offset);
    for (const auto& term : at.loops) {
      text += " + i" + std::to_string(term.loop) + "*(" + text_of(term.stride) + ")";
    }
    for (const auto& term : at.registers) {
      text += " + " + reg(term.value) + "*(" + text_of(term.stride) + ")";
    }
    return text;
  }

  static std::string place(const Place& place) {
    return (place.kind == Place::Kind::Buffer ? "b" : "t") + std::to_string(place.number) + "[" +
           index(place.index) + "]";
  }

  static std::string mask(const std::optional<RegisterId>& mask) {
    return mask ? " if " + reg(*mask) : std::string();
  }

  static std::string text_for(const Compute& one) {
    std::string text = reg(one.to) + " = " + std::string(graph::name_of(one.op)) + "." +
                       std::string(graph::name_of(one.dtype));
    if (one.op == ScalarOp::Number) return text + " n" + std::to_string(one.index);
    if (one.op == ScalarOp::Constant) {
      return text + " " +
             (graph::is_integral(one.dtype) ? std::to_string(one.integer) : text_of(one.value));
    }
    for (size_t i = 0; i < graph::arity(one.op); ++i) text += " " + reg(one.args[i]);
    return text;
  }

  static std::string text_for(const Affine& one) { return reg(one.to) + " = " + index(one.index); }

  static std::string text_for(const Draw& one) {
    std::string text = reg(one.to) + " = " + std::string(name_of(one.distribution)) + "." +
                       std::string(graph::name_of(one.dtype)) + " random " +
                       std::to_string(one.random) + " at " + reg(one.position);
    for (size_t i = 0; i < parameter_count(one.distribution); ++i) {
      text += " " + reg(one.parameters[i]);
    }
    return text;
  }

  static std::string text_for(const Load& one) {
    return reg(one.to) + " = " + place(one.from) + mask(one.mask);
  }

  static std::string text_for(const Store& one) {
    return place(one.to) + " = " + reg(one.value) + mask(one.mask);
  }

  static std::string text_for(const Declare& one) {
    return "a" + std::to_string(one.accumulator) + ": " + std::string(name_of(one.op)) + "." +
           std::string(graph::name_of(one.dtype));
  }

  static std::string text_for(const Update& one) {
    return "a" + std::to_string(one.accumulator) + " <- " + reg(one.value) +
           (one.position ? " at " + reg(*one.position) : std::string());
  }

  static std::string text_for(const Read& one) {
    return reg(one.to) + (one.second ? ", " + reg(*one.second) : std::string()) + " = a" +
           std::to_string(one.accumulator);
  }

  static std::string text_for(const Loop& /*one*/) { return {}; }
};

}  // namespace

std::string print(const Kernel& kernel) {
  Printer out;
  std::string head = "kernel " + kernel.name + "(";
  for (size_t i = 0; i < kernel.buffers.size(); ++i) {
    const BufferParameter& buffer = kernel.buffers[i];
    head += (i == 0 ? "b" : ", b") + std::to_string(i) + ": " +
            std::string(graph::name_of(buffer.dtype)) + (buffer.written ? " out" : "");
  }
  for (size_t i = 0; i < kernel.numbers.size(); ++i) {
    head += ", n" + std::to_string(i) + ": " + std::string(graph::name_of(kernel.numbers[i]));
  }
  if (kernel.randoms > 0) head += ", randoms " + std::to_string(kernel.randoms);
  out.line(0, head + ")");
  for (size_t i = 0; i < kernel.scratch.size(); ++i) {
    out.line(1, "t" + std::to_string(i) + ": " +
                    std::string(graph::name_of(kernel.scratch[i].dtype)) + " * " +
                    std::to_string(kernel.scratch[i].count));
  }
  for (const Loop& loop : kernel.body) out.loop(loop, 1);
  return out.text;
}

}  // namespace trireme::compile
