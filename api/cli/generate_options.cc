#include "api/cli/generate_options.h"

namespace tandem {

void AddGenerateSettings(Settings& settings, GenerateOptions& options) {
  constexpr char kGroup[] = "Text";
  AddModelSettings(settings, options.model);
  settings.Add("prompt", &options.prompt, {.help = "text to continue", .group = kGroup});
  settings.Add("max-tokens", &options.max_tokens,
               {.help = "tokens at most", .min = 1, .group = kGroup});
  settings.Add("temperature", &options.temperature, {.help = "0: greedy", .group = kGroup});
  settings.Add("top-p", &options.top_p, {.help = "nucleus", .group = kGroup});
  settings.Add("top-k", &options.top_k, {.help = "0 or -1: all", .group = kGroup});
  settings.Add("min-p", &options.min_p, {.help = "of the likeliest's", .group = kGroup});
  settings.Add("repetition-penalty", &options.repetition_penalty,
               {.help = "1: none", .group = kGroup});
  settings.Add("seed", &options.seed, {.help = "absent: a random one", .group = kGroup});
  settings.Add("stop", &options.stop, {.help = "text that ends it; repeatable", .group = kGroup});
  settings.Add("ignore-eos", &options.ignore_eos, {.help = "go on to max-tokens", .group = kGroup});
  settings.Add("echo", &options.echo, {.help = "print the prompt first", .group = kGroup});
  settings.Add("stats", &options.stats,
               {.help = "tell tokens a second at the end", .group = kGroup});
}

}  // namespace tandem
