#include "trainer/cli/report.h"

#include <gtest/gtest.h>

#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

CommandOutcome RunReport(std::vector<std::string> arguments) {
  return RunInProcess("tandem-train report", WriteReport, std::move(arguments));
}

ReportedRun Example(const std::string& name) {
  ReportedRun run{.name = name};
  for (int64_t step = 0; step < 4; ++step) {
    run.log.steps.push_back({.step = step,
                             .loss = 8.0 - 2.0 * static_cast<double>(step),
                             .gradient_norm = 1.0,
                             .rate = 1e-3,
                             .num_tokens = 500,
                             .seconds = 9.0,
                             .tokens_per_second = 55.6});
  }
  run.log.num_skipped = 3;
  return run;
}

TEST(ReportCommand, WritesOnePageOfAllRuns) {
  const TemporaryDirectory directory;
  const std::string a = directory.Write("a.jsonl", "{\"step\":0,\"loss\":1}\n").string();
  const std::string b = directory.Write("b.jsonl", "{\"step\":0,\"loss\":2}\n").string();
  const std::string page = (directory / "report.html").string();
  const CommandOutcome done = RunReport({a, b, "--out", page});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(Contains(done.out, "report.html"));
  EXPECT_TRUE(Contains(directory.Read("report.html"), "a.jsonl</td>"));
  EXPECT_TRUE(Contains(directory.Read("report.html"), "b.jsonl</td>"));
}

TEST(ReportCommand, SaysWhatIsWrong) {
  const TemporaryDirectory directory;
  EXPECT_EQ(RunReport({}).status, kExitUsage);
  const CommandOutcome missing = RunReport({(directory / "no_such").string()});
  EXPECT_NE(missing.status, 0);
  EXPECT_TRUE(Contains(missing.err, "no_such"));
}

TEST(ReportCommand, SumsUpEachRun) {
  const ReportedRun runs[] = {Example("one"), {.name = "empty", .log = {}}};
  const std::string page = RenderReport(runs, {});
  EXPECT_TRUE(Contains(page,
                       "<tr><td>one</td><td>4</td><td>2.0000</td><td>2,000</td><td>0.01</td>"
                       "<td>3</td></tr>"));
  EXPECT_TRUE(Contains(page, "<tr><td>empty</td><td>0</td><td>-</td>"));
}

TEST(ReportCommand, DrawsOnlyCurvesThatRunsHave) {
  ReportedRun run = Example("one");
  EXPECT_FALSE(Contains(RenderReport({&run, 1}, {}), "balance loss"));
  EXPECT_FALSE(Contains(RenderReport({&run, 1}, {}), "evaluation"));
  run.log.steps[0].balance_loss = 0.1;
  run.log.evaluations["perplexity"] = {{.step = 3, .value = 12.0}};
  EXPECT_TRUE(Contains(RenderReport({&run, 1}, {}), ">balance loss</text>"));
  EXPECT_TRUE(Contains(RenderReport({&run, 1}, {}), ">evaluation: perplexity</text>"));
}

TEST(ReportCommand, SmoothsOverSteps) {
  ReportedRun whole = Example("one");
  ReportedRun means = Example("one");  // of two steps each
  for (size_t i = 1; i < 4; ++i) means.log.steps[i].loss += 1.0;
  const auto curves = [](const std::string& page) { return page.substr(page.find("<svg")); };
  EXPECT_EQ(curves(RenderReport({&whole, 1}, {.smooth = 2})),
            curves(RenderReport({&means, 1}, {.smooth = 1})));
}

TEST(ReportCommand, EscapesTextFromLogs) {
  const std::string hostile = "</svg><script>alert(1)</script>";
  ReportedRun runs[] = {Example(hostile), Example("b")};
  runs[0].log.evaluations[hostile] = {{.step = 3, .value = 12.0}};
  EXPECT_FALSE(Contains(RenderReport(runs, {}), "<script"));
}

}  // namespace
}  // namespace tandem
