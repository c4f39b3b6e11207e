#include "loadtest/cli/compare_command.h"

#include <filesystem>
#include <ostream>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "engine/base/settings.h"
#include "loadtest/cli/commands.h"
#include "loadtest/cli/run_command.h"
#include "loadtest/report/comparison.h"
#include "loadtest/report/comparison_page.h"

namespace tandem {

int CompareLoads(const CommandLine& line) {
  std::filesystem::path a;
  std::filesystem::path b;
  std::filesystem::path html;
  Settings settings("tandem-loadtest compare", "Shows two results side by side.");
  settings.AddPositional("a", &a,
                         {.help = "of 'run --json'", .value_name = "A.json", .required = true});
  settings.AddPositional("b", &b, {.help = "another", .value_name = "B.json", .required = true});
  settings.Add("html", &html, {.help = "write a page with both drawn there", .value_name = "FILE"});
  IgnoreOtherLoadtestCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const LoadResult left = ReadResult(a);
  const LoadResult right = ReadResult(b);
  line.out << ComparisonTable(left, right, StylerFor(line.out));
  if (html.empty()) return 0;
  const std::string page = ComparisonPage({.name = a.stem().string(), .result = left},
                                          {.name = b.stem().string(), .result = right});
  WriteFileAtomically(html, page);
  line.out << "\nwritten           " << Printable(html.string()) << '\n';
  return 0;
}

}  // namespace tandem
