#pragma once
// The routes about text and tokens: /tokenize, /detokenize, /tokenizer_info, as vLLM has them.

#include <vector>

#include "api/routes/generator.h"
#include "api/routes/router.h"

namespace tandem {

// All of them; `generator` outlives the routes.
std::vector<Route> TextRoutes(const Generator& generator);

}  // namespace tandem
