#include "tests/gpu/check_log.h"

#include <ostream>

#include "tests/gpu/check_json.h"

namespace tandem {
namespace {

using nlohmann::json;

constexpr std::string_view kMark = "@check ";

json EventJson(const CheckEvent& event) {
  if (const auto* started = std::get_if<ItemStarted>(&event)) {
    return {{"event", "started"}, {"index", started->index}, {"name", started->name}};
  }
  if (const auto* row = std::get_if<BenchRow>(&event)) {
    return {{"event", "row"}, {"row", ToJson(*row)}};
  }
  if (const auto* ended = std::get_if<ItemEnded>(&event)) {
    return {{"event", "ended"},
            {"index", ended->index},
            {"finding", ToJson(ended->finding)},
            {"seconds", ended->seconds}};
  }
  return {{"event", "part ended"}};
}

}  // namespace

void WriteEvent(const CheckEvent& event, std::ostream& out) {
  // What a device says may not be UTF-8.
  out << kMark << EventJson(event).dump(-1, ' ', false, json::error_handler_t::replace)
      << std::endl;  // at once: the process may not live to flush
}

std::optional<CheckEvent> ParseEvent(std::string_view line) {
  if (!line.starts_with(kMark)) return std::nullopt;
  const json parsed = json::parse(line.substr(kMark.size()), nullptr, false);
  if (!parsed.is_object()) return std::nullopt;  // a line that another thread wrote into
  const std::string event = parsed.value("event", "");
  if (event == "started") return ItemStarted{parsed.at("index"), parsed.at("name")};
  if (event == "row") return BenchRowOf(parsed.at("row"));
  if (event == "ended") {
    return ItemEnded{parsed.at("index"), FindingOf(parsed.at("finding")), parsed.at("seconds")};
  }
  if (event == "part ended") return PartEnded{};
  return std::nullopt;
}

}  // namespace tandem
