// SPDX-License-Identifier: Apache-2.0
#include "attend_support.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>
#include <random>
#include <span>
#include <string_view>

#include "trireme/graph/interpret/memory.h"

namespace trireme::compile::testing {
namespace {

using graph::DType;

// Not by +: GCC bug 105651.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

std::string list(std::span<const int64_t> numbers) {
  std::string text;
  for (const int64_t number : numbers) {
    if (!text.empty()) text += ", ";
    text += std::to_string(number);
  }
  return text;
}

// A tensor [batch, head, row, element] in a value of `count` elements.
struct Placed {
  std::array<int64_t, 4> sizes;
  std::array<int64_t, 4> strides;
  int64_t offset;
  int64_t count;

  std::string view() const {
    return joined({"[", list(sizes), " : ", list(strides), " : ", std::to_string(offset), "]"});
  }
};

Placed place(Layout layout, std::array<int64_t, 4> sizes) {
  const auto [b, h, r, e] = sizes;
  const int64_t all = b * h * r * e;
  switch (layout) {
    case Layout::HeadsInTheMiddle:
      return {sizes, {r * h * e, e, h * e, 1}, 0, all};
    case Layout::Apart:
      return {sizes, {h * r * (e + 3), r * (e + 3), e + 3, 1}, 5, b * h * r * (e + 3) + 5};
    case Layout::Turned:
      return {sizes, {h * r * e, r * e, 1, r}, 0, all};
    case Layout::Dense:
      break;
  }
  return {sizes, {h * r * e, r * e, e, 1}, 0, all};
}

Placed place_mask(MaskKind kind, std::array<int64_t, 4> sizes) {
  const auto [b, h, r, c] = sizes;
  switch (kind) {
    case MaskKind::PartsOfBatch:
      return {sizes, {c, 0, 0, 1}, 0, b * c};
    case MaskKind::NumbersOfHead:
      return {sizes, {0, r * c, c, 1}, 0, h * r * c};
    default:
      return {sizes, {h * r * c, r * c, c, 1}, 0, b * h * r * c};
  }
}

bool is_bool(MaskKind kind) { return kind == MaskKind::Parts || kind == MaskKind::PartsOfBatch; }

struct Tensors {
  Placed query, key, value, out, mask;
};

Tensors tensors(const AttendCase& one) {
  const auto [b, h, g, l, s, d, e] = one.sizes;
  // Results have no gaps.
  const Layout out = one.layout == Layout::Apart ? Layout::Dense : one.layout;
  return {place(one.layout, {b, h, l, d}), place(one.layout, {b, g, s, d}),
          place(one.layout, {b, g, s, e}), place(out, {b, h, l, e}),
          place_mask(one.mask, {b, h, l, s})};
}

// A mask's numbers: some keys take no part. Also where a row has none.
double mask_number(MaskKind kind, std::mt19937_64& random, int64_t element, int64_t columns) {
  const bool none = element / columns == 1;  // the second row
  const bool part = !none && random() % 4 != 0;
  if (is_bool(kind)) return part ? 1 : 0;
  if (part) return std::normal_distribution<double>(0, 1)(random);
  return none || random() % 2 != 0 ? -std::numeric_limits<double>::infinity()
                                   : std::numeric_limits<float>::lowest();
}

}  // namespace

std::string AttendCase::name() const {
  return joined({"[", list(sizes), "] ", graph::name_of(dtype), " layout ",
                 std::to_string(static_cast<int>(layout)), " mask ",
                 std::to_string(static_cast<int>(mask)), causal ? " causal" : "",
                 backward ? " backward" : ""});
}

std::string AttendCase::text() const {
  const auto [query, key, value, out, mask_at] = tensors(*this);
  const auto type = graph::name_of(dtype);
  const auto declared = [](std::string_view of, int64_t count) {
    return joined({of, "[", std::to_string(count), "]"});
  };
  const auto result = [&](const char* name, const Placed& at) {
    return joined({name, ": ", declared(type, at.count), " at ", at.view()});
  };
  const std::string logarithm = joined({"[", list(std::array{sizes[0], sizes[1], sizes[3]}), "]"});
  const bool masked = mask != MaskKind::None;
  const std::string mask_type =
      masked ? declared(is_bool(mask) ? "bool" : type, mask_at.count) : "bool[1]";
  const std::string flags = joined({masked ? " masked" : "", causal ? " causal" : "", " scale ",
                                    scale_is_input ? "n0" : "0.25", " () {\n"});
  std::string text = joined(
      {"number n0: f64\ninput %0: ", declared(type, query.count),
       "\ninput %1: ", declared(type, key.count), "\ninput %2: ", declared(type, value.count),
       "\ninput %3: ", declared(type, out.count), "\ninput %4: ", mask_type, "\n"});
  text += joined({result("%5", out), ", %6: ", declared("f32", sizes[0] * sizes[1] * sizes[3]),
                  " at ", logarithm, " = attend forward", flags, "a0 = %0 at ", query.view(),
                  "\na1 = %1 at ", key.view(), "\na2 = %2 at ", value.view(),
                  masked ? joined({"\na3 = %4 at ", mask_at.view()}) : "", "\n}\n"});
  if (backward) {
    const Layout dense = layout == Layout::Apart ? Layout::Dense : layout;
    text += joined({result("%7", place(dense, query.sizes)),
                    ", ",
                    result("%8", place(dense, key.sizes)),
                    ", ",
                    result("%9", place(dense, value.sizes)),
                    " = attend backward",
                    flags,
                    "a0 = %3 at ",
                    out.view(),
                    "\na1 = %0 at ",
                    query.view(),
                    "\na2 = %1 at ",
                    key.view(),
                    "\na3 = %2 at ",
                    value.view(),
                    "\na4 = %5 at ",
                    out.view(),
                    "\na5 = %6 at ",
                    logarithm,
                    masked ? joined({"\na6 = %4 at ", mask_at.view()}) : "",
                    "\n}\n"});
  }
  text += "output %5\noutput %6\n";
  if (backward) text += "output %7\noutput %8\noutput %9\n";
  return text;
}

Case make_case(const AttendCase& one) {
  Case made(one.text());
  std::mt19937_64 random(one.seed);
  std::normal_distribution<double> normal;
  for (size_t input = 0; input < made.memory.size(); ++input) {
    const DType dtype = made.graph.values[made.graph.inputs[input]].dtype;
    const size_t size = graph::size_of(dtype);
    for (size_t at = 0; at < made.memory[input].size(); at += size) {
      const double number =
          input == 4 ? mask_number(one.mask, random, static_cast<int64_t>(at / size), one.sizes[4])
                     : normal(random);
      std::byte* element = made.memory[input].data() + at;
      if (dtype == DType::Bool) {
        *element = static_cast<std::byte>(number != 0);
      } else {
        graph::write_real(dtype, element, number);
      }
    }
  }
  return made;
}

void expect_near(const AttendCase& one, const std::vector<graph::Buffer>& wanted,
                 const std::vector<graph::Buffer>& given) {
  ASSERT_EQ(wanted.size(), given.size());
  // Gradients are sums over rows and heads; in few bits `out` is rounded before it is read again.
  const double tolerance = one.dtype == DType::Float32    ? 3e-5
                           : one.dtype == DType::BFloat16 ? 3e-2
                                                          : 4e-3;
  for (size_t k = 0; k < wanted.size(); ++k) {
    const DType dtype = k == 1 ? DType::Float32 : one.dtype;
    const auto a = wanted[k].bytes();
    const auto b = given[k].bytes();
    ASSERT_EQ(a.size(), b.size());
    for (size_t at = 0; at < a.size(); at += graph::size_of(dtype)) {
      const double x = graph::read_real(dtype, a.data() + at);
      const double y = graph::read_real(dtype, b.data() + at);
      if (x == y) continue;  // infinities
      ASSERT_NEAR(x, y, tolerance * (1 + std::abs(x)))
          << one.name() << ", output " << k << ", element " << at / graph::size_of(dtype);
    }
  }
}

}  // namespace trireme::compile::testing
