#pragma once
// What a load tester needs to know of an answer or of one event of it, found in one pass over the
// JSON text without building it: OpenAI's chat and completions, streamed or whole, and /generate.
// Pure function; allocates nothing.

#include <cstdint>
#include <optional>
#include <string_view>

namespace tandem {

struct AnswerScan {
  bool is_json = false;        // an object whose brackets and strings end
  bool has_choice = false;     // an element in "choices"
  bool has_text = false;       // a text of the answer that is not empty (also of its reasoning)
  bool has_error = false;      // "error" that is not null
  bool has_finish = false;     // a finish_reason that is not null
  std::string_view text;       // the last such text of "content" or "text", still escaped
  std::string_view token_ids;  // the last list of a choice's "token_ids", without brackets
  std::string_view message;    // error.message, still escaped; refers to the scanned text
  std::string_view first_id;   // of a list of models: data[0].id
  std::optional<int64_t> first_max_model_len;  // of a list of models: data[0].max_model_len
  std::optional<int64_t> prompt_tokens;        // usage.prompt_tokens
  std::optional<int64_t> completion_tokens;    // usage.completion_tokens; "tokens" of /generate
  std::optional<int64_t> cached_tokens;        // usage.prompt_tokens_details.cached_tokens
};

// The result refers to `json`.
AnswerScan ScanAnswer(std::string_view json);

}  // namespace tandem
