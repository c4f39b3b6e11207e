#pragma once
// The steps of the ladder, each of which adds one thing to the one before. The table in
// ladder_step.cc is the one place that knows them. Constant data; any thread.

#include <cstdint>
#include <span>
#include <string_view>

namespace tandem {

// How the same requests are asked for.
enum class LadderLoad : uint8_t {
  kRecompute,   // one request at a time, each of its tokens as a prompt of its own
  kOneByOne,    // one request at a time
  kBatches,     // N requests together, the next N when the last of them is done
  kContinuous,  // N requests at any time
};

// Whether a step changes what the model answers.
enum class LadderAnswers : uint8_t { kSame, kMayDiffer };

struct LadderStep {
  std::string_view name;  // "KV cache"
  std::string_view adds;  // what it does that the step before does not
  LadderLoad load = LadderLoad::kContinuous;
  LadderAnswers answers = LadderAnswers::kSame;
  std::span<const std::string_view> server_arguments;  // of `tandem serve`
};

std::span<const LadderStep> LadderSteps();

}  // namespace tandem
