// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/fit_symbols.h"

#include <gtest/gtest.h>

#include "trireme/graph/text/print.h"

namespace trireme::run {
namespace {

using Numbers = std::vector<std::vector<int64_t>>;

constexpr auto kSize = NumberKind::Size;
constexpr auto kOther = NumberKind::Other;
constexpr auto kNbytes = NumberKind::Nbytes;

std::string text(const std::optional<SymbolFit>& fit) {
  if (!fit) return "none";
  std::string result;
  for (const auto& [position, extent] : fit->varying) {
    if (!result.empty()) result += ", ";
    result += std::to_string(position) + ": " + graph::print(extent);
  }
  return result;
}

TEST(FitSymbols, OneSizeNeedsTwoSegments) {
  // heads, length, heads * length, length - 1, length^2, bytes
  const Numbers seen{{4, 10, 40, 9, 100, 800}, {4, 20, 80, 19, 400, 1600}};
  const std::vector<NumberKind> kinds{kSize, kSize, kOther, kSize, kOther, kNbytes};
  const auto fit = fit_symbols(seen, kinds);
  EXPECT_EQ(text(fit), "1: s0, 2: 4*s0, 3: s0 - 1, 4: s0*s0, 5: 80*s0");
  EXPECT_EQ(symbols_in(*fit, Numbers{{4, 7, 28, 6, 49, 560}}[0]), std::vector<int64_t>{7});
  EXPECT_EQ(symbols_in(*fit, Numbers{{5, 7, 28, 6, 49, 560}}[0]), std::nullopt);
  EXPECT_EQ(symbols_in(*fit, Numbers{{4, 7, 28, 7, 49, 560}}[0]), std::nullopt);
  EXPECT_EQ(symbols_in(*fit, Numbers{{4, 7, 28, 6, 49, 561}}[0]), std::nullopt);
}

TEST(FitSymbols, TwoSizesNeedThreeSegments) {
  // batch, length, batch * (length - 1), bytes of batch * length * length floats
  const std::vector<NumberKind> kinds{kSize, kSize, kSize, kNbytes};
  Numbers seen{{2, 10, 18, 800}, {3, 17, 48, 3468}};
  EXPECT_EQ(text(fit_symbols(seen, kinds)), "none");
  seen.push_back({5, 8, 35, 1280});
  const auto fit = fit_symbols(seen, kinds);
  EXPECT_EQ(text(fit), "0: s0, 1: s1, 2: -s0 + s0*s1, 3: 4*s0*s1*s1");
  EXPECT_EQ(symbols_in(*fit, Numbers{{4, 5, 16, 400}}[0]), (std::vector<int64_t>{4, 5}));
}

TEST(FitSymbols, MorePointsCorrectAGuess) {
  const std::vector<NumberKind> kinds{kSize, kSize};
  Numbers seen{{4, 8}, {5, 10}};
  EXPECT_EQ(text(fit_symbols(seen, kinds)), "0: s0, 1: 2*s0");
  seen.push_back({6, 7});
  EXPECT_EQ(text(fit_symbols(seen, kinds)), "0: s0, 1: s1");
}

TEST(FitSymbols, BytesAndOffsetsAlone) {
  const std::vector<NumberKind> kinds{kOther, kNbytes};
  const auto fit = fit_symbols(Numbers{{0, 64}, {17, 64}, {34, 64}}, kinds);
  EXPECT_EQ(text(fit), "0: s0");
  const auto bytes = fit_symbols(Numbers{{3, 64}, {3, 96}}, kinds);
  EXPECT_EQ(text(bytes), "1: 16*s0");
  EXPECT_EQ(symbols_in(*bytes, Numbers{{3, 160}}[0]), std::vector<int64_t>{10});
  EXPECT_EQ(symbols_in(*bytes, Numbers{{3, 161}}[0]), std::nullopt);
}

TEST(FitSymbols, TooManyThingsVary) {
  const std::vector<NumberKind> kinds(6, kSize);
  const Numbers seen{{10, 20, 30, 40, 50, 60},
                     {11, 23, 38, 59, 82, 137},
                     {13, 21, 31, 47, 51, 79},
                     {19, 22, 37, 41, 57, 62}};
  EXPECT_EQ(text(fit_symbols(seen, kinds)), "none");
}

}  // namespace
}  // namespace trireme::run
