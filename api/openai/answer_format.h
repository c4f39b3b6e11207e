#pragma once
// The form of an answer on the wire: one body, or the chunks of a stream. Each API has its own;
// what all chunks of an answer share is rendered once, and a token costs one escaped string.
// Immutable after construction; used on the I/O thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/error.h"
#include "engine/runner.h"

namespace tandem {

// A token of an answer, or of the prompt that it echoes.
struct ReportedToken {
  TokenId id = -1;
  std::optional<float> logprob;   // absent for the first token of a prompt
  std::vector<TokenLogprob> top;  // the best alternatives, descending
  int64_t text_offset = 0;        // characters before it
};

struct AnswerUsage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt's
};

enum class ChunkUsage : uint8_t {
  kAbsent,  // not asked for
  kNull,    // in the last chunk only; null in the others
  kAlways,
};

// What a choice has to say, in a chunk or whole. Borrows everything.
struct AnswerPart {
  int64_t index = 0;
  bool is_first = false;  // nothing of this choice was sent before
  std::string_view text;
  std::optional<std::span<const ReportedToken>> logprobs;  // absent: not asked for
  // Of the prompt's tokens from the second on; absent: not asked for. Whole answers only.
  std::optional<std::span<const ScoredToken>> prompt_logprobs;
  std::optional<std::span<const TokenId>> token_ids;         // absent: not asked for
  std::optional<std::span<const TokenId>> prompt_token_ids;  // absent: not asked for, or sent
  std::string_view finish_reason;                            // empty: it goes on
  bool degraded = false;                                     // the operator's text, not the model's
};

class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;

  // Events ("data: {...}\n\n") appended to `out`. `usage` counts under kAlways only.
  virtual void AppendChunk(const AnswerPart& part, ChunkUsage mode, const AnswerUsage& usage,
                           std::string& out) const = 0;
  // The chunk without choices that carries the usage.
  virtual void AppendUsageChunk(const AnswerUsage& usage, std::string& out) const = 0;

  virtual std::string Whole(std::span<const AnswerPart> choices,
                            const AnswerUsage& usage) const = 0;

  // An error of the engine as this format tells it.
  virtual ApiError Told(ApiError error) const { return error; }
};

// What both of OpenAI's formats are made of.

// {"id":...,"object":...,"created":...,"model":...,"choices":[
std::string AnswerEnvelope(std::string_view id, std::string_view object, int64_t created,
                           std::string_view model);
void AppendUsage(const AnswerUsage& usage, std::string& out);
// ],"usage":...}\n\n  after a chunk's choices
void AppendChunkEnd(ChunkUsage mode, const AnswerUsage& usage, std::string& out);
// null or "stop"
void AppendFinishReason(std::string_view reason, std::string& out);
// [null,{"17":{"logprob":-0.5,"rank":1,"decoded_token":"a"},...},...], as vLLM's field of the name
void AppendPromptLogprobs(const Tokenizer& tokenizer, std::span<const ScoredToken> tokens,
                          std::string& out);

inline constexpr std::string_view kEventData = "data: ";

}  // namespace tandem
