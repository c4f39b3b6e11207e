#pragma once
// POST /v1/chat/completions: writes the conversation as the model's template has it, and starts a
// run. Runs on the I/O thread; lives as long as the router.

#include "api/routes/generator.h"

namespace tandem {

class ChatRoute {
 public:
  // `generator` outlives the route.
  explicit ChatRoute(Generator& generator) : generator_(generator) {}

  Reply operator()(Call& call);

 private:
  Generator& generator_;
};

}  // namespace tandem
