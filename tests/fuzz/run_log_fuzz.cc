// The reader of training logs and the report of what it read: a log is read or refused, and nothing
// in it becomes markup.

#include <sstream>
#include <string>

#include "tests/fuzz/fuzz_target.h"
#include "trainer/cli/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string text(AsText(data, size));
  std::istringstream in(text);
  ReportedRun run{.name = text};
  try {
    run.log = ParseRunLog(in, "fuzz");
  } catch (const FormatError&) {
  }
  const ReportedRun runs[] = {run, run};
  const std::string page = RenderReport(runs, {.smooth = 3, .log_loss = true});
  CHECK(page.find("<script") == page.npos);
  CHECK(page.find("points=\"nan") == page.npos);
  CHECK(page.ends_with("</html>\n"));
  return 0;
}
