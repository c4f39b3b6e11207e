#include "api/cli/chat_options.h"

#include "api/cli/presets.h"

namespace tandem {

void AddChatSettings(Settings& settings, ChatOptions& options) {
  constexpr char kGroup[] = "Conversation";
  AddModelSettings(settings, options.model);
  settings.Add("system", &options.system,
               {.help = "what the conversation begins with", .group = kGroup});
  std::vector<std::pair<std::string, std::string>> presets = {{"none", ""}};
  for (const SamplingPreset& preset : kSamplingPresets) {
    presets.emplace_back(preset.name, preset.name);
  }
  settings.AddChoice("preset", &options.preset, presets,
                     {.help = "temperature and top-p for a kind of work", .group = kGroup});
  AddSamplingSettings(settings, options.sampling, kGroup);
  settings.Add(
      "max-tokens", &options.max_tokens,
      {.help = "tokens of an answer; 0: what the context leaves", .min = 0, .group = kGroup});
  settings.Add("history", &options.history,
               {.help = "messages that the model is reminded of, an even number; -1: all that fit",
                .min = -1,
                .group = kGroup});
  settings.AddChoice(
      "think", &options.think,
      std::vector<std::pair<std::string, std::optional<bool>>>{
          {"auto", std::nullopt}, {"on", true}, {"off", false}},
      {.help = "reason first, where the model's template knows it; auto: its own way",
       .group = kGroup});
  settings.Add("stats", &options.stats,
               {.help = "tell tokens a second after each answer", .group = kGroup});
  settings.Add("prompts", &options.prompts,
               {.help = "answer the lines of a file instead, each alone and with seed 2026; "
                        "'minimind': eight questions in Chinese",
                .value_name = "FILE",
                .group = kGroup});
}

}  // namespace tandem
