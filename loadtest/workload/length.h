#pragma once
// How long prompts and answers are: a number, or a distribution that is drawn from for each
// request. Plain data.

#include <cstdint>
#include <variant>

#include "loadtest/random_draws.h"

namespace tandem {

struct FixedLength {
  int64_t value = 1;
};
struct UniformLength {
  int64_t min = 1;
  int64_t max = 1;  // included
};
// The logarithm is normal: half of the draws are below the median, sigma is the logarithm's
// deviation (0.5: two thirds within a factor of 1.65). Draws beyond the bounds become the bounds.
struct LogNormalLength {
  double median = 1.0;
  double sigma = 0.0;
  int64_t min = 1;
  int64_t max = 1;
};

using Length = std::variant<FixedLength, UniformLength, LogNormalLength>;

int64_t DrawLength(const Length& length, RandomDraws& draws);

}  // namespace tandem
