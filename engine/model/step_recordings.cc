#include "engine/model/step_recordings.h"

#include <algorithm>
#include <bit>

#include "kernels/core/error.h"

namespace tandem {
namespace {

int64_t PaddedTokens(int64_t count) {
  const auto power = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(count)));
  if (count <= 8) return power;
  const int64_t step = std::max<int64_t>(8, power / 16);
  return (count + step - 1) / step * step;
}

int64_t PaddedPages(int64_t count) {
  constexpr uint64_t kLeast = 32;  // 512 keys
  return static_cast<int64_t>(std::max(kLeast, std::bit_ceil(static_cast<uint64_t>(count))));
}

}  // namespace

StepShape PaddedShape(const StepShape& shape, const StepShape& largest) {
  CHECK(shape.num_tokens <= largest.num_tokens && shape.max_pages <= largest.max_pages,
        shape.num_tokens, largest.num_tokens, shape.max_pages, largest.max_pages);
  return {.num_tokens = std::min(PaddedTokens(shape.num_tokens), largest.num_tokens),
          .max_pages = std::min(PaddedPages(shape.max_pages), largest.max_pages)};
}

std::vector<int64_t> PaddedSizes(int64_t largest) {
  std::vector<int64_t> sizes;
  for (int64_t size = 0; size < largest;) {
    size = std::min(PaddedTokens(size + 1), largest);
    sizes.push_back(size);
  }
  return sizes;
}

void StepRecordings::Run(Context& context, const StepShape& shape,
                         std::span<const void* const> memory, const std::function<void()>& step) {
  DropIfMoved(context, memory);
  Entry* const entry = Find(shape);
  if (entry == nullptr) return Launch(context, shape, step);
  entry->last_use = ++num_uses_;
  if (entry->recording.empty()) Record(context, *entry, step);
  if (entry->recording.empty()) return step();
  entry->recording.Replay(context);
  ++counts_.replayed;
}

RecordingCounts StepRecordings::counts() const {
  RecordingCounts counts = counts_;
  counts.held = std::count_if(entries_.begin(), entries_.end(),
                              [](const Entry& entry) { return !entry.recording.empty(); });
  return counts;
}

void StepRecordings::DropIfMoved(Context& context, std::span<const void* const> memory) {
  if (workspace_changes_ == context.workspace.num_changes() &&
      std::equal(memory.begin(), memory.end(), memory_.begin(), memory_.end())) {
    return;
  }
  const int64_t held = counts().held;
  if (held > 0) Synchronize(context);  // one of them may be under way
  counts_.dropped += held;
  entries_.clear();
  memory_.assign(memory.begin(), memory.end());
  workspace_changes_ = context.workspace.num_changes();
}

StepRecordings::Entry* StepRecordings::Find(const StepShape& shape) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.shape == shape; });
  return found == entries_.end() ? nullptr : &*found;
}

// What was launched without a change of the workspace needs no allocation the next time, which a
// recording could not have.
void StepRecordings::Launch(const Context& context, const StepShape& shape,
                            const std::function<void()>& step) {
  step();
  if (counts_.is_refused || workspace_changes_ != context.workspace.num_changes()) return;
  if (entries_.size() >= most_) {
    entries_.erase(
        std::min_element(entries_.begin(), entries_.end(),
                         [](const Entry& a, const Entry& b) { return a.last_use < b.last_use; }));
  }
  entries_.push_back({.shape = shape, .recording = {}, .last_use = ++num_uses_});
}

void StepRecordings::Record(Context& context, Entry& entry, const std::function<void()>& step) {
  if (counts_.is_refused) return;
  try {
    entry.recording = Recording(context, step);
    ++counts_.recorded;
  } catch (const DeviceError&) {
    // A device that is broken says so again; else it has no memory for recordings, and works
    // without them.
    counts_.is_refused = true;
  }
}

}  // namespace tandem
