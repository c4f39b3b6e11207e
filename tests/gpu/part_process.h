#pragma once
// The two sides of a part: running its items in this process, and having a process of its own do
// so.

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "tests/gpu/check_log.h"

namespace tandem {

// Exit statuses of a process that runs items.
inline constexpr int kPartDone = 0;
inline constexpr int kDeviceLost =
    3;  // after the last item that it told of: go on in a new process

// Runs the items from `first` on and tells of them. An item that begins after options.seconds is
// skipped. Ends early with kDeviceLost when the device works no more.
int RunItems(const Part& part, const CheckOptions& options, size_t first, std::ostream& out);

struct ItemRecord {
  std::string name;
  Finding finding;
  double seconds = 0;
};

struct PartRecord {
  std::string name;
  std::string about;
  double seconds = 0;
  std::vector<ItemRecord> items;
  std::vector<BenchRow> rows;

  int64_t count(CheckOutcome outcome) const;
};

// The command that runs a part's items from `first` on, with all that is in the options.
using PartCommand =
    std::function<std::vector<std::string>(const CheckOptions& options, size_t first)>;

// Runs the part in processes of `program`, a new one after each that did not get to the end, and
// kills one that takes longer than options.seconds; its items are records all the same. Progress
// goes to `out`.
PartRecord RunPart(const Part& part, const CheckOptions& options,
                   const std::filesystem::path& program, const PartCommand& command,
                   std::ostream& out);

}  // namespace tandem
