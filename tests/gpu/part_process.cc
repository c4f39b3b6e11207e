#include "tests/gpu/part_process.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <ostream>

#include "kernels/core/device_memory.h"
#include "kernels/core/devices.h"
#include "kernels/core/error.h"
#include "loadtest/ladder/child_process.h"
#include "tests/support/device_context.h"

namespace tandem {
namespace {

using WallClock = std::chrono::steady_clock;

constexpr int kMaxProcesses = 40;   // of a part: a device that is gone for good does not come back
constexpr size_t kLastWords = 600;  // bytes of what a process said before it ended

// Of the part's time, for the item that is running when no other begins any more.
double GraceSeconds(double part_seconds) { return std::clamp(part_seconds / 3, 2.0, 20.0); }

double SecondsSince(WallClock::time_point start) {
  return std::chrono::duration<double>(WallClock::now() - start).count();
}

// A device error may be of one call, or stay for as long as the process lives.
bool DeviceWorks(const std::string& name) {
  try {
    const Device device = FindDevice(name);
    DeviceContext context(device);
    Tensor some(DType::kF32, {1}, device);
    FillZero(context, some.view());
    Synchronize(context);
    return true;
  } catch (const Error&) {
    return false;
  }
}

struct Run {
  Finding finding;
  bool device_failed = false;
};

Run RunItem(const CheckItem& item, const RowSink& on_row) {
  try {
    return {item.run(on_row)};
  } catch (const DeviceError& error) {
    return {Failed(error.what()), true};
  } catch (const std::exception& error) {
    return {Failed(error.what())};
  }
}

}  // namespace

int RunItems(const Part& part, const CheckOptions& options, size_t first, std::ostream& out) {
  const auto start = WallClock::now();
  const std::vector<CheckItem> items = part.items(options);
  for (size_t index = first; index < items.size(); ++index) {
    const CheckItem& item = items[index];
    WriteEvent(ItemStarted{index, item.name}, out);
    const auto item_start = WallClock::now();
    Run run;
    if (SecondsSince(start) > options.seconds) {
      run.finding = Skipped("the part's time is over");
    } else {
      run = RunItem(item, [&](const BenchRow& row) { WriteEvent(row, out); });
    }
    WriteEvent(ItemEnded{index, run.finding, SecondsSince(item_start)}, out);
    if (run.device_failed && !DeviceWorks(options.device)) return kDeviceLost;
  }
  WriteEvent(PartEnded{}, out);
  return kPartDone;
}

int64_t PartRecord::count(CheckOutcome outcome) const {
  return std::count_if(items.begin(), items.end(), [outcome](const ItemRecord& item) {
    return item.finding.outcome == outcome;
  });
}

namespace {

// What one process told, until it ended or was ended.
class Listener {
 public:
  Listener(PartRecord& record, std::ostream& out) : record_(record), out_(out) {}

  // Reads on until the process closes its output: true. False when the time is over.
  bool ListenUntil(int output, WallClock::time_point deadline) {
    while (true) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - WallClock::now());
      pollfd poll{output, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&poll, 1, static_cast<int>(left.count())) <= 0) return false;
      char buffer[4096];
      const ssize_t size = ::read(output, buffer, sizeof(buffer));
      if (size <= 0) return true;
      text_.append(buffer, static_cast<size_t>(size));
      TakeLines();
    }
  }

  bool part_has_ended() const { return part_has_ended_; }
  size_t next_index() const { return next_index_; }

  // The item that ran when the process ended, where there was one, ends with this.
  void EndOpenItem(const std::string& why) {
    if (!open_) return;
    const std::string said = last_words_.empty() ? "" : "; it said last: " + last_words_;
    Take(ItemEnded{open_->index, Failed(why + said), SecondsSince(open_since_)});
  }

 private:
  void TakeLines() {
    size_t end = 0;
    while ((end = text_.find('\n')) != std::string::npos) {
      const std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      if (const auto event = ParseEvent(line)) {
        std::visit([this](const auto& e) { Take(e); }, *event);
      } else {
        last_words_ += line + "\n";
        if (last_words_.size() > kLastWords) last_words_.erase(0, last_words_.size() - kLastWords);
      }
    }
  }
  void Take(const ItemStarted& started) {
    open_ = started;
    open_since_ = WallClock::now();
    last_words_.clear();
  }
  void Take(const BenchRow& row) {
    record_.rows.push_back(row);
    out_ << "    " << row.name << ":";
    if (row.value != 0) out_ << " " << row.value << " " << row.unit;
    if (!row.note.empty()) out_ << " (" << row.note << ")";
    out_ << std::endl;
  }
  void Take(const ItemEnded& ended) {
    record_.items.push_back({open_ ? open_->name : "", ended.finding, ended.seconds});
    if (ended.finding.outcome != CheckOutcome::kPassed) {
      out_ << "  " << (ended.finding.outcome == CheckOutcome::kFailed ? "FAILED " : "SKIPPED ")
           << record_.items.back().name << ": " << ended.finding.detail << std::endl;
    }
    open_.reset();
    next_index_ = ended.index + 1;
  }
  void Take(const PartEnded&) { part_has_ended_ = true; }

  PartRecord& record_;
  std::ostream& out_;
  std::string text_;        // not yet a line
  std::string last_words_;  // since the open item started
  std::optional<ItemStarted> open_;
  WallClock::time_point open_since_;
  size_t next_index_ = 0;
  bool part_has_ended_ = false;
};

}  // namespace

PartRecord RunPart(const Part& part, const CheckOptions& options,
                   const std::filesystem::path& program, const PartCommand& command,
                   std::ostream& out) {
  const auto start = WallClock::now();
  const auto deadline = start + std::chrono::duration_cast<WallClock::duration>(
                                    std::chrono::duration<double>(options.seconds));
  PartRecord record{.name = part.name, .about = part.about};
  Listener listener(record, out);
  for (int processes = 0; !listener.part_has_ended(); ++processes) {
    if (processes == kMaxProcesses) {
      record.items.push_back({"the rest", Failed("not run: too many processes have ended"), 0});
      break;
    }
    const size_t first = listener.next_index();
    CheckOptions left = options;
    left.seconds =
        std::max(options.seconds - GraceSeconds(options.seconds) - SecondsSince(start), 0.0);
    ChildProcess process(program, command(left, first));
    const bool has_ended = listener.ListenUntil(process.output(), deadline);
    const std::string end =
        has_ended ? process.WaitForEnd(std::chrono::seconds(10)) : process.Stop();
    if (listener.part_has_ended()) break;
    if (!has_ended) {
      listener.EndOpenItem("it was still running when the part's time was over");
      record.items.push_back({"the rest", Failed("not run: the part's time was over"), 0});
      break;
    }
    listener.EndOpenItem("the process ended " + end);
    if (listener.next_index() == first) {  // not even one: it would be so again
      record.items.push_back({"the rest", Failed("the process ended " + end), 0});
      break;
    }
  }
  record.seconds = SecondsSince(start);
  return record;
}

}  // namespace tandem
