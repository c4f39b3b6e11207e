#pragma once
// Named pairs of temperature and top-p for kinds of work.

#include <array>
#include <string_view>

namespace tandem {

struct SamplingPreset {
  std::string_view name;
  double temperature;
  double top_p;
};

inline constexpr std::array<SamplingPreset, 5> kSamplingPresets = {{
    {"code", 0.2, 0.95},
    {"questions", 0.5, 0.9},
    {"creative", 0.9, 0.85},
    {"translation", 0.3, 0.95},
    {"chat", 0.8, 0.9},
}};

// Null when there is none of the name.
inline const SamplingPreset* FindPreset(std::string_view name) {
  for (const SamplingPreset& preset : kSamplingPresets) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

}  // namespace tandem
