#pragma once
// POST /v1/completions: parses, encodes and checks the prompts, and starts a run. Runs on the I/O
// thread; lives as long as the router.

#include "api/openai/completion_request.h"
#include "api/routes/generator.h"

namespace tandem {

class CompletionsRoute {
 public:
  // `generator` outlives the route.
  explicit CompletionsRoute(Generator& generator) : generator_(generator) {}

  Reply operator()(Call& call);

 private:
  EncodedPrompt EncodePrompt(const CompletionPrompt& prompt) const;

  Generator& generator_;
};

}  // namespace tandem
