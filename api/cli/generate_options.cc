#include "api/cli/generate_options.h"

namespace tandem {

void AddGenerateSettings(Settings& settings, GenerateOptions& options) {
  constexpr char kGroup[] = "Text";
  AddModelSettings(settings, options.model);
  settings.Add("prompt", &options.prompt, {.help = "text to continue", .group = kGroup});
  settings.Add("max-tokens", &options.max_tokens,
               {.help = "tokens at most", .min = 1, .group = kGroup});
  AddSamplingSettings(settings, options.sampling, kGroup);
  settings.Add("stop", &options.stop, {.help = "text that ends it; repeatable", .group = kGroup});
  settings.Add("ignore-eos", &options.ignore_eos, {.help = "go on to max-tokens", .group = kGroup});
  settings.Add("echo", &options.echo, {.help = "print the prompt first", .group = kGroup});
  settings.Add("stats", &options.stats,
               {.help = "tell tokens a second at the end", .group = kGroup});
}

}  // namespace tandem
