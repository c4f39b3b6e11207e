#pragma once
// The bodies of /v1/completions: whole responses, and the chunks of a stream. What all chunks of an
// answer share is rendered once; a token costs one escaped string.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/legacy_logprobs.h"

namespace tandem {

struct CompletionUsage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt's
};

void AppendUsage(const CompletionUsage& usage, std::string& out);

class CompletionBody {
 public:
  enum class ChunkUsage : uint8_t {
    kAbsent,  // not asked for
    kNull,    // in the last chunk only; null in the others
    kAlways,
  };

  CompletionBody(std::string_view id, std::string_view model, int64_t created);

  struct Choice {
    int64_t index = 0;
    std::string_view text;
    std::optional<std::span<const LegacyLogprob>> logprobs;  // absent: null
    std::string_view finish_reason;                          // empty: null
  };

  // `data: {...}\n\n` appended to `out`.
  void AppendChunk(const Choice& choice, ChunkUsage mode, const CompletionUsage& usage,
                   std::string& out) const;
  // The chunk without choices that carries the usage.
  void AppendUsageChunk(const CompletionUsage& usage, std::string& out) const;

  std::string Whole(std::span<const Choice> choices, const CompletionUsage& usage) const;

 private:
  static void AppendChoice(const Choice& choice, std::string& out);

  std::string envelope_;  // {"id":...,"model":...,"choices":[
};

}  // namespace tandem
