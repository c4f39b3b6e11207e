#pragma once
// What `check` is made of: parts, each a list of items. Plain data.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kernels/core/device.h"
#include "tests/bench/device_bench.h"

namespace tandem {

enum class CheckOutcome : uint8_t { kPassed, kFailed, kSkipped };

struct Finding {
  CheckOutcome outcome = CheckOutcome::kPassed;
  std::string detail;  // why it failed or was skipped; else what was seen, may be empty
};

inline Finding Passed(std::string seen = "") { return {CheckOutcome::kPassed, std::move(seen)}; }
inline Finding Failed(std::string why) { return {CheckOutcome::kFailed, std::move(why)}; }
inline Finding Skipped(std::string why) { return {CheckOutcome::kSkipped, std::move(why)}; }
// Failed where there is a reason to.
inline Finding FailedUnlessEmpty(std::string why) {
  return why.empty() ? Passed() : Failed(std::move(why));
}

using RowSink = std::function<void(const BenchRow&)>;

struct CheckItem {
  std::string name;
  // Errors thrown are failures. Rows are figures to be kept whatever becomes of the item.
  std::function<Finding(const RowSink&)> run;
};

struct CheckOptions {
  std::string device = "auto";   // a name of kernels/core/devices.h
  bool tiny = false;             // shapes that a fake GPU does in seconds
  std::string filter;            // only items whose name contains it
  double seconds = 540;          // for the part, or for all of them
  std::filesystem::path folder;  // for the files that are made on the way; exists
  std::filesystem::path model;   // a model's directory to look at as well; may be empty
};

// Its items run in a process of their own, so that one that crashes or hangs costs no other.
struct Part {
  std::string name;
  std::string about;    // "every op agrees with double precision"
  double seconds = 60;  // at most
  std::function<std::vector<CheckItem>(const CheckOptions&)> items;
};

}  // namespace tandem
