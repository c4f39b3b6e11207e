#include "engine/base/quantity.h"

#include <gtest/gtest.h>

#include <limits>

namespace tandem {
namespace {

using std::chrono::milliseconds;

TEST(ParseBytes, ReadsBinaryAndDecimalUnits) {
  EXPECT_EQ(ParseBytes("4096"), 4096);
  EXPECT_EQ(ParseBytes("64K"), 65536);
  EXPECT_EQ(ParseBytes("512MiB"), int64_t{512} << 20);
  EXPECT_EQ(ParseBytes("1.5 GB"), 1'500'000'000);
  EXPECT_EQ(ParseBytes("9223372036854775807"), std::numeric_limits<int64_t>::max());
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "-1", "K", "1X", "1..5K", "9223372036854775808", "9000000000GiB",
                           "1e3", "nan", "0x10"}) {
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
  }
}

TEST(FormatBytes, ChoosesTheUnit) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(int64_t{100} << 30), "100 GiB");
}

TEST(ExactBytes, IsReadBackExactly) {
  for (int64_t bytes :
       {int64_t{0}, int64_t{1000}, int64_t{1} << 20, (int64_t{3} << 30) + 1, int64_t{5} << 44}) {
    EXPECT_EQ(ParseBytes(ExactBytes(bytes)), bytes) << ExactBytes(bytes);
  }
  EXPECT_EQ(ExactBytes(int64_t{512} << 20), "512MiB");
}

TEST(ParseDuration, ReadsUnitsAndBareSeconds) {
  EXPECT_EQ(ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseDuration("30"), milliseconds(30000));
  EXPECT_EQ(ParseDuration("1.5h"), milliseconds(5'400'000));
  EXPECT_EQ(ParseDuration("1w"), std::nullopt);
  EXPECT_EQ(ParseDuration("-1s"), std::nullopt);
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(FormatDuration(milliseconds(120000)), "120s");
}

TEST(FormatCount, GroupsByThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-1000), "-1,000");
}

}  // namespace
}  // namespace tandem
