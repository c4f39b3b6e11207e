#pragma once
// The model behind the routes, as they see it: names, tokenizer, limits, defaults, and the engine.
// Immutable while the server runs; what it borrows outlives the routes.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/routes/circuit_breaker.h"
#include "api/routes/completion_engine.h"
#include "engine/config/model_config.h"
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"

namespace tandem {

class AnswerCache;

struct ServedModel {
  std::vector<std::string> names;  // at least one; the first is the one that answers carry
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template = nullptr;  // null: completions only
  CompletionEngine& engine;
  CircuitBreaker& breaker;
  std::optional<std::string> degraded_answer;  // instead of what the breaker refuses; valid UTF-8
  AnswerCache* answer_cache = nullptr;         // goes before it; null: none
  std::chrono::milliseconds queue_wait{0};     // before a full queue is a refusal
  int64_t max_context = 0;                     // prompt and completion together
  int64_t vocab_size = 0;
  std::vector<TokenId> eos_ids;
  GenerationConfig defaults;
  int64_t created = 0;  // seconds since 1970

  bool Answers(std::string_view name) const {
    for (const std::string& known : names) {
      if (known == name) return true;
    }
    return false;
  }
};

}  // namespace tandem
