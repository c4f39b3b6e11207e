#pragma once
// What there is to say in words about a row of the settings table. --help, completion scripts and
// manual pages say it alike. Pure functions of the row; none of them tells a secret's value.

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/settings.h"

namespace tandem {

// "INT", "DIR", "cpu|cuda"; empty for a switch.
std::string ValueName(const Setting& setting);
// What a shell can complete the value with.
enum class ValueKind : uint8_t { kText, kWord, kFile, kDirectory };
ValueKind KindOfValue(const Setting& setting);

// --help and --print-config: they make the program print something and do nothing else.
bool IsRequest(const Setting& setting);
// A switch that --no-x turns off.
bool CanBeTurnedOff(const Setting& setting);
bool IsOnByDefault(const Setting& setting);

// "default 8000, 0 to 65535", "required", "default on"; empty when there is nothing to say.
std::string DefaultAndLimits(const Setting& setting);
// The help with these facts behind it: "TCP port (default 8000, 0 to 65535)".
std::string HelpWithFacts(const Setting& setting);

// What a program's variables begin with: "tandem-train" -> "TANDEM_TRAIN_".
std::string VariablePrefix(std::string_view program);
// "TANDEM_", "max-num-seqs" -> "TANDEM_MAX_NUM_SEQS".
std::string VariableName(std::string prefix, std::string_view name);

}  // namespace tandem
