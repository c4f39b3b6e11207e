#include "kernels/cpu/truncation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace tandem::cpu {
namespace {

constexpr int32_t kAll = std::numeric_limits<int32_t>::max();

enum class Measure : uint8_t { kCount, kSum };

// Weights above `low` stay, and the first `ties` of the weights equal to it.
struct Cut {
  int32_t low = 1;
  int64_t ties = 0;
  int64_t num_equal = 0;  // weights equal to low
};

// Weights fall off exponentially: halve the ratio of the bounds first, then their distance.
int32_t Middle(int32_t low, int32_t high) {
  if (high / 4 < low) return low + (high - low) / 2;
  const double middle = std::sqrt(static_cast<double>(low) * static_cast<double>(high));
  return std::clamp(static_cast<int32_t>(middle), low + 1, high - 1);
}

int64_t TiesNeeded(Measure measure, uint64_t missing, int32_t weight) {
  if (measure == Measure::kCount) return static_cast<int64_t>(missing);
  const auto each = static_cast<uint64_t>(weight);
  return static_cast<int64_t>((missing + each - 1) / each);
}

// `list` (sorted here) holds the weights below those that measure `above`.
Cut CutOfSorted(Measure measure, int32_t* list, int64_t count, uint64_t above, uint64_t need) {
  std::sort(list, list + count, std::greater<>());
  for (int64_t i = 0; i < count;) {
    const int64_t first = i;
    uint64_t measured = above;
    for (; i < count && list[i] == list[first]; ++i) {
      measured += measure == Measure::kCount ? 1 : static_cast<uint64_t>(list[i]);
    }
    if (measured >= need) {
      return {list[first], TiesNeeded(measure, need - above, list[first]), i - first};
    }
    above = measured;
  }
  return {};
}

// The smallest set of largest weights that measures at least `need`. `list` holds every weight >=
// low of the row (and zeros), which together measure enough; it is overwritten.
Cut FindCut(const SamplingFunctions& functions, Measure measure, int32_t* list, int64_t count,
            int32_t low, uint64_t need) {
  constexpr int64_t kSmall = 32;
  int32_t high = kWeightOfMax + 1;
  uint64_t above = 0;  // what the weights >= high measure; those in [low, high) are in the list
  while (high - low > 1 && count > kSmall) {
    const int32_t middle = Middle(low, high);
    const Mass mass = functions.mass_from(list, count, middle);
    const uint64_t measured =
        above + (measure == Measure::kCount ? static_cast<uint64_t>(mass.count) : mass.sum);
    if (measured >= need) {
      low = middle;
    } else {
      high = middle;
      above = measured;
    }
    count = functions.keep(list, count, low, high, list);
  }
  if (high - low > 1) return CutOfSorted(measure, list, count, above, need);
  return {low, TiesNeeded(measure, need - above, low), functions.mass_from(list, count, low).count};
}

// Of equal weights at the cut the lower ids stay.
void DropLosingTies(const Cut& cut, int32_t* weights, int64_t count) {
  if (cut.ties >= cut.num_equal) return;
  int64_t left = cut.ties;
  for (int64_t i = 0; i < count; ++i) {
    if (weights[i] == cut.low && --left < 0) weights[i] = 0;
  }
}

// A lower bound of the k-th largest weight: the k-th largest of the maxima of disjoint groups. With
// four groups for each of the k, few weights above the bound are not among the k largest.
int32_t BoundOfLargest(const SamplingFunctions& functions, const WeightedRow& row, int64_t k,
                       int32_t* work) {
  const int64_t vectors = row.count / (4 * k);  // a group has one lane of each of its vectors
  if (vectors < 4) return 1;
  const int64_t groups = functions.group_maxima(row.weights, row.count, vectors, work);
  if (functions.mass_from(work, groups, 1).count < k) return 1;
  return FindCut(functions, Measure::kCount, work, groups, 1, static_cast<uint64_t>(k)).low;
}

uint64_t MassNeeded(float top_p, uint64_t total) {
  const double mass = std::ceil(static_cast<double>(top_p) * static_cast<double>(total));
  return static_cast<uint64_t>(std::clamp(mass, 1.0, static_cast<double>(total)));
}

// A weight that the smallest one to stay is certain to reach.
int32_t FirstBound(const SamplingFunctions& functions, const Truncation& truncation,
                   const WeightedRow& row, int32_t* work) {
  if (truncation.top_k > 0) return BoundOfLargest(functions, row, truncation.top_k, work);
  if (truncation.top_p < 1.0f) {
    // Weights below this sum to no more than what may be lost.
    const uint64_t expendable = row.total - MassNeeded(truncation.top_p, row.total);
    const uint64_t each = expendable / static_cast<uint64_t>(row.count);
    return static_cast<int32_t>(std::clamp<uint64_t>(each, 1, kWeightOfMax));
  }
  return std::max(MinPBound(truncation.min_p), 1);
}

}  // namespace

float InverseTemperature(float temperature) {
  // Bounded, so that a tiny temperature does not make 0 * infinity of the maximum, nor a huge one
  // of -infinity.
  return std::clamp(1.0f / temperature, std::numeric_limits<float>::min(), 1e30f);
}

int32_t MinPBound(float min_p) {
  return static_cast<int32_t>(
      std::ceil(static_cast<double>(std::min(min_p, 1.0f)) * static_cast<double>(kWeightOfMax)));
}

Candidates Truncate(const SamplingFunctions& functions, const Truncation& truncation,
                    const WeightedRow& row, const TruncationScratch& scratch) {
  int32_t low = FirstBound(functions, truncation, row, scratch.work);
  const int64_t count =
      functions.keep_indexed(row.weights, row.count, low, scratch.weights, scratch.ids);
  uint64_t total = row.total;
  const auto cut_to = [&](Measure measure, uint64_t need) {
    const int64_t listed = functions.keep(scratch.weights, count, low, kAll, scratch.work);
    const Cut cut = FindCut(functions, measure, scratch.work, listed, low, need);
    DropLosingTies(cut, scratch.weights, count);
    low = cut.low;
  };
  if (truncation.top_k > 0) {
    if (functions.mass_from(scratch.weights, count, low).count > truncation.top_k) {
      cut_to(Measure::kCount, static_cast<uint64_t>(truncation.top_k));
    }
    total = functions.mass_from(scratch.weights, count, low).sum;
  }
  if (truncation.top_p < 1.0f) cut_to(Measure::kSum, MassNeeded(truncation.top_p, total));
  if (truncation.min_p > 0.0f) low = std::max(low, MinPBound(truncation.min_p));
  return {.ids = scratch.ids,
          .weights = scratch.weights,
          .count = count,
          .low = low,
          .total = functions.mass_from(scratch.weights, count, low).sum};
}

}  // namespace tandem::cpu
