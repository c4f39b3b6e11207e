// A --config file: it is refused, or its values lie in their ranges and --print-config's file reads
// back as the same values.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/settings.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace tandem {
namespace {

enum class Level : uint8_t { kLow, kHigh };

// One row of each type.
struct Options {
  bool enabled = false;
  int32_t port = 8000;
  int64_t bytes = 1024;
  double scale = 1.0;
  std::string host = "localhost";
  std::optional<uint64_t> seed;
  std::optional<std::filesystem::path> file;
  std::chrono::milliseconds timeout{1000};
  std::vector<std::string> names;
  Level level = Level::kLow;
  bool operator==(const Options&) const = default;
};

// Throws ConfigError. The second is what --print-config would write.
std::pair<Options, std::string> Read(std::string_view text) {
  const MemoryFile file(text);
  Options options;
  Settings settings("fuzz", "A table of every type.");
  settings.Add("enabled", &options.enabled, {});
  settings.Add("port", &options.port, {.min = 0, .max = 65535});
  settings.AddBytes("size", &options.bytes, {.min = 1});
  settings.Add("scale", &options.scale, {.max = 8, .above = 0});
  settings.Add("host", &options.host, {});
  settings.Add("seed", &options.seed, {});
  settings.Add("file", &options.file, {});
  settings.Add("timeout", &options.timeout, {.min = 0});
  settings.Add("name", &options.names, {});
  settings.AddChoice(
      "level", &options.level,
      std::vector<std::pair<std::string, Level>>{{"low", Level::kLow}, {"high", Level::kHigh}}, {});
  settings.Parse({.arguments = {"--config", file.path().string()}, .variables = {}});
  return {options, settings.EffectiveConfig()};
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  std::pair<Options, std::string> given;
  try {
    given = Read(AsText(data, size));
  } catch (const ConfigError& error) {
    CHECK(!std::string_view(error.what()).empty());
    return 0;
  }
  const Options& options = given.first;
  CHECK(options.port >= 0 && options.port <= 65535 && options.bytes >= 1);
  CHECK(options.scale > 0 && options.scale <= 8 && options.timeout.count() >= 0);
  const auto again = Read(given.second);
  CHECK(again.first == options, given.second);
  return 0;
}
