#include "loadtest/cli/merge_command.h"

#include <ostream>
#include <string>
#include <vector>

#include "engine/base/printable.h"
#include "engine/base/settings.h"
#include "loadtest/cli/commands.h"
#include "loadtest/cli/run_command.h"
#include "loadtest/report/merged_result.h"
#include "loadtest/report/result_table.h"

namespace tandem {
int MergeLoads(const CommandLine& line) {
  std::vector<std::string> files;
  RunOptions output;
  Settings settings("tandem-loadtest merge",
                    "Adds up the results of workers that ran the same load side by side, each with "
                    "a --seed of its own.");
  settings.AddPositional(
      "results", &files,
      {.help = "of 'run --json', two or more", .value_name = "FILE.json", .required = true});
  AddOutputSettings(settings, output);
  IgnoreOtherLoadtestCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  std::vector<WorkerResult> workers;
  for (const std::string& file : files) {
    workers.push_back({.name = Printable(file), .result = ReadResult(file)});
  }
  const LoadResult merged = MergedResult(workers);
  line.out << ResultTable(merged, StylerFor(line.out), TableColumns());
  WriteResult(merged, output, line);
  return 0;
}

}  // namespace tandem
