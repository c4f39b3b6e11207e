#pragma once
// The verdicts of real Jinja2 (tests/golden/chat), and ours in the same form.

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/text/jinja/json_value.h"
#include "engine/text/jinja/template.h"
#include "kernels/core/error.h"

namespace tandem::jinja {

inline Value ReadGolden(const std::string& name) {
  const std::filesystem::path path =
      std::filesystem::path(TANDEM_SOURCE_DIR) / "tests/golden/chat" / name;
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return ParseValue(text.str(), path.string());
}

// "ok: text", "syntax", "raised: message" or "error". `detail` gets the message of the last.
template <typename Render>
std::string OutcomeOf(const Render& render, std::string* detail) {
  try {
    return "ok: " + render();
  } catch (const FormatError& error) {
    *detail = error.what();
    return "syntax";
  } catch (const InvalidRequest& error) {
    *detail = error.what();
    return detail->starts_with("chat template, line ") ? "error" : "raised: " + *detail;
  }
}

// The same of a golden entry [..., kind, text], whose kind stands at `index`.
inline std::string ExpectedOutcome(const Value& entry, size_t index) {
  const auto& items = entry.list().items;
  const std::string kind = items[index].AsText();
  return kind == "ok" || kind == "raised" ? kind + ": " + items[index + 1].AsText() : kind;
}

// 2026-02-15 12:30:45 UTC, the clock of the golden values.
inline std::chrono::system_clock::time_point GoldenNow() {
  return std::chrono::system_clock::from_time_t(1771158645);
}

}  // namespace tandem::jinja
