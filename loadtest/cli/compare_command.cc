#include "loadtest/cli/compare_command.h"

#include <filesystem>
#include <ostream>

#include "engine/base/settings.h"
#include "loadtest/cli/commands.h"
#include "loadtest/report/comparison.h"

namespace tandem {

int CompareLoads(const CommandLine& line) {
  std::filesystem::path a;
  std::filesystem::path b;
  Settings settings("tandem-loadtest compare", "Shows two results side by side.");
  settings.AddPositional("a", &a,
                         {.help = "of 'run --json'", .value_name = "A.json", .required = true});
  settings.AddPositional("b", &b, {.help = "another", .value_name = "B.json", .required = true});
  IgnoreOtherLoadtestCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const LoadResult left = ReadResult(a);
  const LoadResult right = ReadResult(b);
  line.out << ComparisonTable(left, right, Styler(Styler::Colour::kOff));
  return 0;
}

}  // namespace tandem
