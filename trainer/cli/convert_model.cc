#include "trainer/cli/convert_model.h"

#include <ostream>
#include <string_view>

#include "kernels/core/error.h"
#include "trainer/cli/export_model.h"
#include "trainer/cli/import_model.h"

namespace tandem {
namespace {

constexpr const char* kUsage =
    "Usage: tandem convert --from FILE.pth --output DIR [flags]    as tandem-train import\n"
    "       tandem convert --model DIR --output PATH [flags]       as tandem-train export\n\n"
    "Makes a model directory of a PyTorch checkpoint, or writes a model for other programs.\n"
    "'tandem-train import --help' and 'tandem-train export --help' list the flags.\n";

bool HasFlag(const CommandLine& line, std::string_view flag) {
  for (int i = 1; i < line.argc; ++i) {
    const std::string_view argument = line.argv[i];
    if (argument == flag) return true;
    if (argument.starts_with(flag) && argument.substr(flag.size()).starts_with('=')) return true;
  }
  return false;
}

}  // namespace

int ConvertModel(const CommandLine& line) {
  if (HasFlag(line, "--help")) {
    line.out << kUsage;
    return 0;
  }
  const bool takes_in = HasFlag(line, "--from");
  if (takes_in == HasFlag(line, "--model")) {
    throw ConfigError(
        "give either --from FILE.pth, a PyTorch checkpoint to make a model directory of, or "
        "--model DIR, to write it for other programs");
  }
  return takes_in ? ImportModel(line) : ExportModel(line);
}

}  // namespace tandem
