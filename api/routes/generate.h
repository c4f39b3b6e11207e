#pragma once
// POST /generate: the plain interface of simple clients. {prompt, max_new_tokens, temperature,
// top_p} and the extensions of /v1/completions; answers {request_id, text, tokens, latency_ms}.
// Whatever keeps the server from answering in time is a 503 here. On the I/O thread.

#include "api/routes/generator.h"

namespace tandem {

class GenerateRoute {
 public:
  static constexpr int64_t kMaxPromptCharacters = 2048;

  // `generator` outlives the route.
  explicit GenerateRoute(Generator& generator) : generator_(generator) {}

  Reply operator()(Call& call);

 private:
  Generator& generator_;
};

}  // namespace tandem
