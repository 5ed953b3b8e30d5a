// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/env.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace trireme::base {
namespace {

constexpr const char* kName = "TRIREME_ENV_TEST";

TEST(Env, FlagTakesCommonWordsAndRefusesOthers) {
  ::unsetenv(kName);
  EXPECT_FALSE(env_flag(kName));
  EXPECT_TRUE(env_flag(kName, true));
  ::setenv(kName, "on", 1);
  EXPECT_TRUE(env_flag(kName));
  ::setenv(kName, "0", 1);
  EXPECT_FALSE(env_flag(kName, true));
  ::setenv(kName, "maybe", 1);
  EXPECT_THROW(env_flag(kName), std::invalid_argument);
}

TEST(Env, FolderIsMade) {
  ::unsetenv(kName);
  EXPECT_FALSE(env_folder(kName));
  const std::string folder = ::testing::TempDir() + "trireme-env-test/inner";
  ::setenv(kName, folder.c_str(), 1);
  EXPECT_EQ(env_folder(kName), folder);
  EXPECT_TRUE(std::filesystem::is_directory(folder));
  std::filesystem::remove_all(std::filesystem::path(folder).parent_path());
}

TEST(Env, IntegerIsWholeAndNotNegative) {
  ::unsetenv(kName);
  EXPECT_EQ(env_int(kName, 7), 7);
  ::setenv(kName, "42", 1);
  EXPECT_EQ(env_int(kName, 7), 42);
  for (const char* wrong : {"4x", "-1", "x"}) {
    ::setenv(kName, wrong, 1);
    EXPECT_THROW(env_int(kName, 7), std::invalid_argument) << wrong;
  }
}

}  // namespace
}  // namespace trireme::base
