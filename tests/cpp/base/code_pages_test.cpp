// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/code_pages.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>

namespace trireme::base {
namespace {

// KiB of the library's code that are resident.
long resident(const std::string& name) {
  std::ifstream maps("/proc/self/smaps");
  long total = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    const bool names_a_range = line.find('-') < line.find(' ');  // else it is a figure of one
    if (names_a_range) {
      inside =
          line.find(" r-xp ") != std::string::npos && line.find("/" + name) != std::string::npos;
    } else if (inside && line.starts_with("Rss:")) {
      total += std::stol(line.substr(4));
    }
  }
  return total;
}

TEST(CodePages, AreReleasedAndComeBackWhenTheyAreRun) {
  const std::string library = "libstdc++.so";
  EXPECT_TRUE(std::regex_match("aab", std::regex("a+b")));
  const long before = resident(library);
  ASSERT_GT(before, 0);
  const size_t released = release_code_pages({library});
  if (released == 0) GTEST_SKIP() << "under a debugger";
  EXPECT_GE(static_cast<long>(released / 1024), before);
  EXPECT_LT(resident(library), before);
  EXPECT_TRUE(std::regex_match("aab", std::regex("a+b")));
}

TEST(CodePages, OfNoLibraryAreNone) { EXPECT_EQ(release_code_pages({"libnone.so"}), 0U); }

}  // namespace
}  // namespace trireme::base
