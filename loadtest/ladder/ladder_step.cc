#include "loadtest/ladder/ladder_step.h"

namespace tandem {
namespace {

constexpr std::string_view kWithoutPrefixes[] = {"--no-enable-prefix-caching"};
constexpr std::string_view kWithPrefixes[] = {"--enable-prefix-caching"};
constexpr std::string_view kInt8[] = {"--enable-prefix-caching", "--dtype=int8"};

constexpr LadderStep kSteps[] = {
    {"no cache", "each token is computed from the whole text before it", LadderLoad::kRecompute,
     LadderAnswers::kSame, kWithoutPrefixes},
    {"KV cache", "keys and values of earlier tokens are kept", LadderLoad::kOneByOne,
     LadderAnswers::kSame, kWithoutPrefixes},
    {"static batching", "requests run together, in batches that end together", LadderLoad::kBatches,
     LadderAnswers::kSame, kWithoutPrefixes},
    {"continuous batching", "a request begins as soon as another is done", LadderLoad::kContinuous,
     LadderAnswers::kSame, kWithoutPrefixes},
    {"prefix cache", "keys and values of common beginnings are shared", LadderLoad::kContinuous,
     LadderAnswers::kSame, kWithPrefixes},
    {"int8", "weights are rounded to 8 bits", LadderLoad::kContinuous, LadderAnswers::kMayDiffer,
     kInt8},
};

}  // namespace

std::span<const LadderStep> LadderSteps() { return kSteps; }

}  // namespace tandem
