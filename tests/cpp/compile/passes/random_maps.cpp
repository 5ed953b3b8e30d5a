// SPDX-License-Identifier: Apache-2.0
#include "random_maps.h"

#include <algorithm>
#include <random>
#include <vector>

namespace trireme::compile::testing {
namespace {

constexpr int kElements = 24;

// (GCC 12 warns of "%" + std::to_string(number).)
std::string name(int value) {
  std::string text = "%";
  return text += std::to_string(value);
}

class Writer {
 public:
  explicit Writer(uint64_t seed) : random_(seed) {}

  std::string write() {
    text_ = "input %0: f32[24]\ninput %1: f32[24]\ninput %2: f32[4]\ninput %3: i64[6]\n";
    values_ = {0, 1};
    next_ = 4;
    const int nodes = 3 + below(14);
    for (int n = 0; n < nodes; ++n) node();
    outputs();
    return text_;
  }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  bool one_in(int times) { return below(times) == 0; }
  template <class... Texts>
  std::string any(const char* first, const Texts*... others) {
    const std::vector<std::string> all{first, others...};
    return all[static_cast<size_t>(below(static_cast<int>(all.size())))];
  }
  // Those made last are taken oftener: chains.
  std::string value() {
    const int count = static_cast<int>(values_.size());
    const int at = one_in(2) ? count - 1 - below(std::min(count, 3)) : below(count);
    return name(values_[static_cast<size_t>(at)]);
  }
  std::string make() {
    values_.push_back(next_);
    return name(next_++) + ": f32[24]";
  }

  void node() {
    switch (below(9)) {
      case 0:
        return copy();
      case 1:
        return part();
      case 2:
        return reduce();
      case 3:
        return product();
      case 4:
        return gather();
      case 5:
        return again();
      default:
        return map();
    }
  }

  // A view of [4, 6] in 24 elements.
  std::string view() {
    return any("", " at [4, 6 : 6, 1]", " at [4, 6 : 1, 4]", " at [4, 6 : 0, 1 : 3]",
               " at [4, 6 : 5, 0]", " at [4, 6 : 2, 3 : 1]", " at [4, 6 : -6, 1 : 18]");
  }

  void map() {
    const int operands = 1 + below(3);
    std::string loads;
    for (int i = 0; i < operands; ++i) {
      loads += "  a" + std::to_string(i) + " = " + value() + view();
    }
    line(make() + any("", " at [4, 6 : 1, 4]") + " = map (i0 < 4, i1 < 6) {" + loads + "  return " +
         bounded(expression(3, operands)) + " }");
  }

  void copy() {
    const std::string from = value();
    line(make() + " = map (i0 < 24) { a0 = " + from + "  return a0:f32 }");
  }

  // Writes over some elements; sometimes over all, sometimes what is there already.
  void part() {
    const std::string base = value();
    const std::string where =
        any("[12]", "[6 : 4]", "[5 : 2 : 7]", "[24]", "[2, 3 : 12, 1 : 4]", "[4, 6 : 1, 4]");
    const std::string dims = where.find(',') == std::string::npos
                                 ? "i0 < " + where.substr(1, where.find_first_of(" ]") - 1)
                             : where[1] == '2' ? "i0 < 2, i1 < 3"
                                               : "i0 < 4, i1 < 6";
    const bool idle = one_in(4);
    const std::string from = idle ? base : value();
    line(make() + " at " + where + " over " + base + " = map (" + dims + ") { a0 = " + from +
         " at " + where + "  return " + (idle ? "a0:f32" : bounded(expression(2, 1))) + " }");
  }

  // Rows' sums or maxima, given back to each element.
  void reduce() {
    const std::string from = value();
    const std::string row = name(next_++);
    line(row + ": f32[4] = reduce " + any("sum", "maximum") + " (i0 < 4 | i1 < 6) { a0 = " + from +
         view() + "  return a0:f32 }");
    line(make() + " = map (i0 < 4, i1 < 6) { a0 = " + row + " at [4, 6 : 1, 0]  a1 = " + value() +
         view() + "  return " + bounded(expression(2, 2)) + " }");
  }

  void product() {
    const std::string from = value();
    const std::string row = name(next_++);
    line(row + ": f32[6] = contract (i0 < 6 | i1 < 4) { a0 = " + from +
         " at [6, 4 : 1, 6]  a1 = %2 at [6, 4 : 0, 1] }");
    line(make() + " = map (i0 < 4, i1 < 6) { a0 = " + row + " at [4, 6 : 0, 1]  return " +
         bounded("a0:f32") + " }");
  }

  void gather() {
    const std::string from = value();
    line(make() + " = gather [stride 6 bound 4] (i0 < 6, i1 < 4) { a0 = " + from +
         " at [6, 4 : 0, 1]  a1 = %3 at [6, 4 : 1, 0] }");
  }

  // What was made already, once more.
  void again() {
    if (maps_.empty()) return map();
    const std::string& old = maps_[static_cast<size_t>(below(static_cast<int>(maps_.size())))];
    line(make() + old.substr(old.find("[24]") + 4));
  }

  std::string expression(int depth, int operands) {
    const auto deeper = [&] { return expression(depth - 1, operands); };
    if (depth == 0 || one_in(4)) {
      if (one_in(3)) return any("0", "1", "2", "-0", "0.5", "-1.25") + ":f32";
      return "a" + std::to_string(below(operands)) + ":f32";
    }
    switch (below(9)) {
      case 0:
        return any("neg(", "abs(", "floor(") + deeper() + ")";
      case 1:
        return "select(" + any("lt(", "eq(", "ge(") + deeper() + ", " + deeper() + "), " +
               deeper() + ", " + deeper() + ")";
      case 2:
        return "cast(cast(" + bounded(deeper()) + "):" + any("f64", "i32", "f16", "bf16") + "):f32";
      case 3:
        return "pow(" + bounded(deeper()) + ", " + any("1", "2") + ":f32)";
      case 4:
        return "div(" + deeper() + ", " + any("1", "2", "0.5") + ":f32)";
      case 5:
        return "mul(" + deeper() + ", " + deeper() + ")";
      case 6:
        return any("minimum(", "maximum(") + deeper() + ", " + deeper() + ")";
      default:
        return any("add(", "sub(") + deeper() + ", " + deeper() + ")";
    }
  }

  static std::string bounded(const std::string& expression) {
    return "maximum(minimum(div(floor(mul(" + expression + ", 4:f32)), 4:f32), 8:f32), -8:f32)";
  }

  void outputs() {
    const bool replaces = one_in(2);
    line("output " + name(values_.back()) + (replaces ? " replaces input 0" : ""));
    for (size_t i = 2; i + 1 < values_.size(); ++i) {
      if (one_in(3)) line("output " + name(values_[i]));
    }
  }

  void line(const std::string& one) {
    if (one.find("f32[24]") != std::string::npos && one.find(" over ") == std::string::npos) {
      maps_.push_back(one);
    }
    text_ += one + "\n";
  }

  std::mt19937_64 random_;
  std::string text_;
  std::vector<int> values_;  // f32[24]
  std::vector<std::string> maps_;
  int next_ = 0;
};

}  // namespace

std::string random_maps(uint64_t seed) { return Writer(seed).write(); }

}  // namespace trireme::compile::testing
