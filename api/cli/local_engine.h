#pragma once
// A model that writes one text at a time, in this process. Used by one thread; the engine has its
// own.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cli/loaded_model.h"
#include "api/openai/generation_request.h"
#include "scheduler/engine_loop.h"

namespace tandem {

struct LocalAnswer {
  std::string text;
  FinishReason reason = FinishReason::kStop;  // kCancelled: `keep_going` said so
  int64_t num_prompt = 0;
  int64_t num_cached = 0;  // of the prompt
  int64_t num_generated = 0;
  int64_t num_first = 0;  // tokens that were there when the first was seen
  std::chrono::duration<double> to_first{};
  std::chrono::duration<double> total{};

  double tokens_per_second() const;  // after the first; 0 where there is nothing to measure
};

class LocalEngine {
 public:
  // `model` outlives it.
  LocalEngine(const LoadedModel& model, const ModelOptions& options);

  struct Prompt {
    std::vector<TokenId> ids;
    std::string text;  // what it was made from; empty: the answer begins a text
  };
  struct Watch {
    std::function<void(std::string_view)> on_text;  // as it comes, whole characters
    std::function<bool()> keep_going;               // asked every few milliseconds
  };
  // ConfigError when the prompt is empty or the context cannot hold it; DeviceError when the engine
  // failed. `ask` is complete but for the end tokens.
  LocalAnswer Run(Prompt prompt, const GenerationRequest& ask, const Watch& watch);

  int64_t max_context() const { return model_.runner->limits().max_context; }

 private:
  const LoadedModel& model_;
  EngineLoop loop_;
  uint64_t next_id_ = 1;
};

}  // namespace tandem
