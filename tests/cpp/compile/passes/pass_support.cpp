// SPDX-License-Identifier: Apache-2.0
#include "pass_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "../program_support.h"
#include "trireme/graph/check/verify.h"
#include "trireme/graph/interpret/memory.h"
#include "trireme/graph/text/print.h"

namespace trireme::compile::testing {

const Pass& pass_named(std::string_view name) {
  const auto found = std::ranges::find(passes(), name, &Pass::name);
  if (found == passes().end()) throw std::invalid_argument("no pass named " + std::string(name));
  return *found;
}

void expect_rewritten(std::string_view pass, const std::string& before, const std::string& after,
                      float tolerance, std::vector<int64_t> symbols) {
  Case one(before, std::move(symbols));
  Copier opaque;
  const auto wanted = graph::interpret(one.graph, one.inputs, &opaque);
  const std::string text = graph::print(parse(after));
  EXPECT_EQ(pass_named(pass).run(one.graph), text != graph::print(parse(before)));
  EXPECT_EQ(graph::print(one.graph), text);
  const auto problems = graph::verify(one.graph);
  EXPECT_TRUE(problems.empty()) << problems.front();
  EXPECT_FALSE(pass_named(pass).run(one.graph)) << "a second run: " << graph::print(one.graph);
  const auto given = graph::interpret(one.graph, one.inputs, &opaque);
  ASSERT_EQ(wanted.size(), given.size());
  for (size_t k = 0; k < wanted.size(); ++k) {
    if (tolerance == 0) {
      EXPECT_TRUE(std::ranges::equal(wanted[k].bytes(), given[k].bytes())) << "output " << k;
      continue;
    }
    for (size_t at = 0; at < wanted[k].bytes().size(); at += sizeof(float)) {
      const double x = graph::read_real(graph::DType::Float32, wanted[k].bytes().data() + at);
      const double y = graph::read_real(graph::DType::Float32, given[k].bytes().data() + at);
      EXPECT_NEAR(x, y, tolerance * (1 + std::abs(x))) << "output " << k << ", byte " << at;
    }
  }
}

void expect_unchanged(std::string_view pass, const std::string& text) {
  expect_rewritten(pass, text, text);
}

}  // namespace trireme::compile::testing
