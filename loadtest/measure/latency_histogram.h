#pragma once
// Counts of durations in buckets whose width grows with the value (as HdrHistogram's): exact below
// 4.096 ms, then within 1/2048 of the value, which is better than three significant digits.
// Histograms of different workers or runs add up, so percentiles can be had of all together.
// One owner, one thread.

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tandem {

class LatencyHistogram {
 public:
  using Microseconds = std::chrono::microseconds;

  static constexpr int64_t kMaxMicroseconds = int64_t{1} << 36;  // 19 hours

  // Negative durations count as 0, longer ones than the maximum as the maximum. Allocates only when
  // a value is larger than any before.
  void Record(Microseconds value, int64_t count = 1);
  void Merge(const LatencyHistogram& other);

  int64_t count() const { return count_; }
  double sum_microseconds() const { return sum_; }
  double mean_microseconds() const;       // 0 when empty
  double deviation_microseconds() const;  // of the values, to the width of buckets
  int64_t min_microseconds() const { return count_ == 0 ? 0 : min_; }
  int64_t max_microseconds() const { return max_; }

  // The smallest recorded value (its bucket's middle) that at least `share` of all values do not
  // exceed: the nearest-rank percentile. 0 when empty. 0 <= share <= 1.
  int64_t Quantile(double share) const;
  // The same among count() + num_beyond values of which the further ones are infinite. Negative
  // when it falls on one of those.
  int64_t QuantileWith(double share, int64_t num_beyond) const;
  // How many values do not exceed it, to the width of a bucket.
  int64_t CountUpTo(Microseconds value) const;

  struct Bucket {
    int64_t middle = 0;  // microseconds
    int64_t count = 0;
  };
  // Those that are not empty, ascending.
  std::vector<Bucket> Buckets() const;

  // {"unit":"us","count":...,"sum":...,"min":...,"max":...,"buckets":[index,count,index,count,...]}
  nlohmann::json ToJson() const;
  // FormatError that names `where`.
  static LatencyHistogram FromJson(const nlohmann::json& json, const std::string& where);

 private:
  static size_t IndexOf(int64_t value);
  static int64_t FirstOf(size_t index);
  int64_t MiddleOf(size_t index) const;

  std::vector<int64_t> counts_;  // by bucket, up to the largest used
  int64_t count_ = 0;
  double sum_ = 0.0;
  int64_t min_ = kMaxMicroseconds;
  int64_t max_ = 0;
};

}  // namespace tandem
