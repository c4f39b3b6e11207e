// Expected values are those of xxhash 4.1.0, Python's binding of the reference implementation.

#include "trainer/data/hash64.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem {
namespace {

std::string AllBytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

uint64_t SeededHash(uint64_t seed, std::string_view text) {
  Hash64 hash(seed);
  hash.Update(text);
  return hash.Digest();
}

TEST(Hash64, GivesTheNumbersOfTheReference) {
  EXPECT_EQ(Hash64Of(""), 0xef46db3751d8e999u);
  EXPECT_EQ(Hash64Of("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(Hash64Of("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(Hash64Of("0123456789abcdef0123456789abcdef"), 0x642a94958e71e6c5u);
  EXPECT_EQ(Hash64Of(AllBytes()), 0x1facbe8406cd904bu);
  EXPECT_EQ(SeededHash(42, AllBytes()), 0xe212741fa701583du);
}

TEST(Hash64, DoesNotDependOnHowTheBytesCame) {
  const std::string bytes = AllBytes();
  for (size_t step = 1; step < 70; ++step) {
    Hash64 hash;
    for (size_t at = 0; at < bytes.size(); at += step) {
      hash.Update(std::string_view(bytes).substr(at, step));
    }
    EXPECT_EQ(hash.Digest(), Hash64Of(bytes)) << step;
  }
}

TEST(Hash64, TellsFieldsApart) {
  Hash64 one, other;
  one.UpdateField("ab");
  one.UpdateField("c");
  other.UpdateField("a");
  other.UpdateField("bc");
  EXPECT_NE(one.Digest(), other.Digest());
}

}  // namespace
}  // namespace tandem
