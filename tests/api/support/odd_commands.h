#pragma once
// A list of commands whose texts have every character that a shell or roff could trip over.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/cli/command_settings.h"

namespace tandem {

inline constexpr char kOddHelp[] = R"(it's "x" [y]: $(z) `w` \ -1)";

class OddCommands {
 public:
  OddCommands() {
    auto settings = std::make_shared<Settings>("tandem odd", ".is 'odd'");
    settings->AddPositional("place", &place_,
                            {.help = kOddHelp, .value_name = "DIR", .group = "A 'group'"});
    settings->Add("colons", &text_, {.help = "no help", .value_name = "A:B"});
    settings->Add("key", &secret_, {.help = "no help", .secret = true});
    settings->Add("turn", &turn_, {.help = "no help"});
    settings->Add("several", &list_, {.help = "...and so on"});
    settings->AddBytes("memory", &bytes_, {.help = "no help", .min = 1024, .max = 1 << 20});
    settings->AddChoice("mood", &mood_,
                        std::vector<std::pair<std::string, int>>{{"a b", 0}, {"it's:$x", 1}},
                        {.help = "no help"});
    commands_.push_back({.name = "odd", .purpose = kOddHelp, .settings = std::move(settings)});
  }
  OddCommands(const OddCommands&) = delete;  // the table is bound to this one's members

  const std::vector<Command>& list() const { return commands_; }
  const Command& odd() const { return commands_.front(); }

 private:
  std::filesystem::path place_;
  std::string text_;
  std::string secret_ = "hunter2";
  bool turn_ = false;
  std::vector<std::string> list_;
  int64_t bytes_ = 2048;
  int mood_ = 0;
  std::vector<Command> commands_;
};

}  // namespace tandem
