// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/form_cache.h"

#include <gtest/gtest.h>

namespace trireme::record {
namespace {

Signature signature_of(uint64_t word, uint64_t hash) {
  Signature signature;
  signature.words.push_back(word);
  signature.hash = hash;
  return signature;
}

std::unique_ptr<CallForm> form_of(const Signature& signature) {
  auto form = std::make_unique<CallForm>();
  form->words.assign(signature.words.begin(), signature.words.end());
  form->hash = signature.hash;
  return form;
}

TEST(FormCache, TellsEqualHashesApart) {
  FormCache cache(16);
  const Signature one = signature_of(1, 5);
  const Signature two = signature_of(2, 5);
  CallForm* first = cache.insert(form_of(one), 1);
  EXPECT_EQ(cache.find(one), first);
  EXPECT_EQ(cache.find(two), nullptr);
  CallForm* second = cache.insert(form_of(two), 1);
  EXPECT_EQ(cache.find(one), first);
  EXPECT_EQ(cache.find(two), second);
}

// A full cache starts anew, and keeps the old forms until the calls that name them have run.
TEST(FormCache, RetiresWhenFull) {
  FormCache cache(16);
  const Signature early = signature_of(0, 0);
  const CallForm* kept = cache.insert(form_of(early), 1);
  for (uint64_t i = 1; i < 16; ++i) cache.insert(form_of(signature_of(i, i)), i + 1);
  EXPECT_EQ(cache.size(), 16U);
  cache.insert(form_of(signature_of(16, 16)), 17);
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.find(early), nullptr);
  cache.release_retired(16);
  EXPECT_EQ(kept->words.front(), 0U);  // ASan tells if it was freed
  cache.release_retired(17);
}

}  // namespace
}  // namespace trireme::record
