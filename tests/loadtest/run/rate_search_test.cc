#include "loadtest/run/rate_search.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(RateSearch, FindsTheEdgeWithinThePrecision) {
  for (const double edge : {3.0, 47.0, 900.0}) {
    const RateSearchResult found =
        SearchRate({.first_rate = 10}, [edge](double rate) { return rate <= edge; });
    EXPECT_LE(found.rate, edge);
    EXPECT_GT(found.next_rate, edge);
    EXPECT_LE(found.next_rate, found.rate * 1.0501);
    EXPECT_EQ(found.tries.at(found.rate).num_held, 3);
    EXPECT_EQ(found.tries.at(found.rate).num_tries, 3);
    EXPECT_EQ(found.tries.at(found.next_rate).num_held, 0);
    EXPECT_EQ(found.tries.at(found.next_rate).num_tries, 3);
  }
}

// At 40 the level holds in the first try and never again: one lucky run must not be the result.
TEST(RateSearch, ALuckyRunIsFoundOut) {
  int num_tries = 0;
  const RateSearchResult found = SearchRate({.first_rate = 10, .precision = 1.0}, [&](double rate) {
    if (rate < 40.0) return true;
    return rate == 40.0 && num_tries++ == 0;
  });
  EXPECT_EQ(found.rate, 20.0);
  EXPECT_EQ(found.next_rate, 40.0);
  EXPECT_EQ(found.tries.at(40.0).num_tries, 3);
}

// At 40 it fails in the first try and never again.
TEST(RateSearch, AnUnluckyRunIsFoundOut) {
  int num_tries = 0;
  const RateSearchResult found = SearchRate({.first_rate = 10, .precision = 1.0}, [&](double rate) {
    if (rate < 40.0) return true;
    return rate == 40.0 && num_tries++ > 0;
  });
  EXPECT_EQ(found.rate, 40.0);
  EXPECT_EQ(found.next_rate, 80.0);
  EXPECT_EQ(found.tries.at(40.0).num_held, 2);
}

TEST(RateSearch, EndsWhereNothingOrEverythingHolds) {
  int num_tries = 0;
  const RateSearchResult none = SearchRate({.first_rate = 64}, [&](double) {
    ++num_tries;
    return false;
  });
  EXPECT_EQ(none.rate, 0.0);
  EXPECT_LE(num_tries, 8);
  const RateSearchResult all =
      SearchRate({.first_rate = 10, .max_rate = 100}, [](double) { return true; });
  EXPECT_EQ(all.rate, 100.0);
  EXPECT_EQ(all.next_rate, 0.0);
}

}  // namespace
}  // namespace tandem
