#include "loadtest/cli/report_command.h"

#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "engine/base/settings.h"
#include "loadtest/cli/commands.h"
#include "loadtest/report/result_page.h"

namespace tandem {

int ReportLoad(const CommandLine& line) {
  std::filesystem::path file;
  std::filesystem::path html = "load.html";
  Settings settings("tandem-loadtest report", "Draws a result into an HTML file.");
  settings.AddPositional("result", &file,
                         {.help = "of 'run --json'", .value_name = "FILE.json", .required = true});
  settings.Add("html", &html, {.help = "the page to write", .value_name = "FILE"});
  IgnoreOtherLoadtestCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  WriteFileAtomically(html, ResultPage(ReadResult(file)));
  line.out << fmt::format("{:<18}{}\n", "written", Printable(html.string()));
  return 0;
}

}  // namespace tandem
