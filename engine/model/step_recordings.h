#pragma once
// Recordings of a model's steps, by shape: launching some hundred small ops takes the host longer
// than the device needs to run them, and a recording is launched as one. What a step of a shape
// does must hang on nothing but the shape and what lies in the memory that it reads. Owned by the
// runner; used by the thread that runs steps.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/device_memory.h"

namespace tandem {

// Of a step in which every sequence has one token.
struct StepShape {
  int64_t num_tokens = 0;
  int64_t max_pages = 0;  // of a sequence: the width of the page tables
  friend bool operator==(const StepShape&, const StepShape&) = default;
};

// The shape that such a step is padded to, at most `largest` (which it is not above): sizes 1, 2,
// 4, 8, then every eighth to 128, every sixteenth to 256, and so on, since exact ones would be as
// many recordings as a batch has sizes, and some rows more cost little; widths by powers of two
// from a segment of attention on.
StepShape PaddedShape(const StepShape& shape, const StepShape& largest);

// The sizes that batches of 1 to `largest` tokens are padded to, ascending.
std::vector<int64_t> PaddedSizes(int64_t largest);

// What became of the steps that were given to Run.
struct RecordingCounts {
  int64_t held = 0;  // now
  int64_t recorded = 0;
  int64_t replayed = 0;
  int64_t dropped = 0;      // because memory had moved
  bool is_refused = false;  // the device failed to record, and nothing is any more
};

class StepRecordings {
 public:
  explicit StepRecordings(size_t most) : most_(most) {}

  // Gives the stream what `step` does: launched the first time, when memory may still grow,
  // recorded the second time, and replayed from then on. `memory`: addresses that `step` uses and
  // that may change between calls; when one does, or the workspace, all recordings are dropped.
  // DeviceError when the device fails.
  void Run(Context& context, const StepShape& shape, std::span<const void* const> memory,
           const std::function<void()>& step);

  RecordingCounts counts() const;

 private:
  struct Entry {
    StepShape shape;
    Recording recording;
    uint64_t last_use = 0;
  };

  void DropIfMoved(Context& context, std::span<const void* const> memory);
  Entry* Find(const StepShape& shape);
  void Launch(const Context& context, const StepShape& shape, const std::function<void()>& step);
  void Record(Context& context, Entry& entry, const std::function<void()>& step);

  size_t most_;                 // entries; the one that was not used for longest goes
  std::vector<Entry> entries_;  // of shapes that were launched in the memory as it is
  uint64_t num_uses_ = 0;
  std::vector<const void*> memory_;  // that the entries are made for, and the workspace's state
  uint64_t workspace_changes_ = 0;
  RecordingCounts counts_;
};

}  // namespace tandem
