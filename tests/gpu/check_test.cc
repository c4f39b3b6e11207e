// The program's logic, on the fake GPU.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/gpu/check_json.h"
#include "tests/gpu/check_log.h"
#include "tests/gpu/check_report.h"
#include "tests/gpu/command_run.h"
#include "tests/gpu/part_process.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using nlohmann::json;

struct CheckEnd {
  CommandEnd end;
  json report;
  std::string markdown;

  const json& part(size_t index = 0) const { return report.at("parts").at(index); }
};

CheckEnd Check(std::vector<std::string> arguments) {
  const TemporaryDirectory out;
  arguments.insert(arguments.end(), {"--device", "cuda", "--tiny", "--out", out.path().string()});
  CheckEnd check{.end = RunToEnd(FAKE_CHECK, arguments, 500)};
  check.report = json::parse(out.Read("gpu-check.json"), nullptr, false);
  check.markdown = out.Read("gpu-check.md");
  return check;
}

std::string OutcomeOf(const json& part, const std::string& item) {
  for (const json& line : part.at("items")) {
    if (line.at("name") == item) return line.at("outcome");
  }
  return "not there";
}

std::string DetailOf(const json& part, const std::string& item) {
  for (const json& line : part.at("items")) {
    if (line.at("name") == item) return line.at("detail");
  }
  return "not there";
}

TEST(CheckLog, EventsComeBackAsTheyWere) {
  const BenchRow row{.group = "ops",
                     .name = "add",
                     .value = 3.5,
                     .unit = "GB/s",
                     .share = 0.25,
                     .bound = "bandwidth",
                     .must = 0.85,
                     .goal_is_share = true};
  std::stringstream out;
  WriteEvent(ItemStarted{3, "a \"name\"\n"}, out);
  WriteEvent(row, out);
  WriteEvent(ItemEnded{3, Failed("why \xff"), 1.5}, out);
  WriteEvent(PartEnded{}, out);
  std::string line;
  std::getline(out, line);
  EXPECT_EQ(std::get<ItemStarted>(*ParseEvent(line)).name, "a \"name\"\n");
  std::getline(out, line);
  EXPECT_EQ(ToJson(std::get<BenchRow>(*ParseEvent(line))), ToJson(row));
  std::getline(out, line);
  const auto ended = std::get<ItemEnded>(*ParseEvent(line));
  EXPECT_EQ(ended.index, 3u);
  EXPECT_EQ(ended.finding.outcome, CheckOutcome::kFailed);
  EXPECT_EQ(ended.finding.detail, "why \xef\xbf\xbd");
  std::getline(out, line);
  EXPECT_TRUE(std::holds_alternative<PartEnded>(*ParseEvent(line)));
  for (const char* other : {"", "warning", "@check", "@check {", "@check 3", "@check {\"a\": 1}"}) {
    EXPECT_FALSE(ParseEvent(other).has_value()) << other;
  }
}

TEST(Check, LosesNothingToItemsThatFailCrashOrLoseTheDevice) {
  const CheckEnd check = Check({"--parts", "faults"});
  EXPECT_EQ(check.end.end, "with status 1") << check.end.text;
  const json& part = check.part();
  EXPECT_EQ(part.at("items").size(), 10u) << part;
  EXPECT_EQ(OutcomeOf(part, "passes"), "passed");
  EXPECT_EQ(OutcomeOf(part, "fails"), "failed");
  EXPECT_EQ(OutcomeOf(part, "is skipped"), "skipped");
  EXPECT_EQ(DetailOf(part, "throws"), "no such thing");
  EXPECT_EQ(DetailOf(part, "device error that stays"), "an illegal address");
  EXPECT_EQ(DetailOf(part, "device error that goes"), "too little memory");
  EXPECT_EQ(OutcomeOf(part, "crashes"), "failed");
  EXPECT_NE(DetailOf(part, "crashes").find("by signal 6"), std::string::npos);
  EXPECT_NE(DetailOf(part, "crashes").find("last words"), std::string::npos);
  EXPECT_NE(DetailOf(part, "a wrong op").find("element 0"), std::string::npos)
      << DetailOf(part, "a wrong op");
  EXPECT_NE(DetailOf(part, "bits that depend on the batch").find("differences"), std::string::npos)
      << DetailOf(part, "bits that depend on the batch");
  EXPECT_EQ(OutcomeOf(part, "passes after all"), "passed");
  ASSERT_EQ(part.at("rows").size(), 2u);
  EXPECT_EQ(part.at("rows")[1].at("name"), "before the crash");
  EXPECT_FALSE(check.report.at("succeeded"));
  EXPECT_NE(check.markdown.find("is \\| wrong"), std::string::npos) << check.markdown;
  EXPECT_NE(check.markdown.find("2 passed, 7 failed, 1 skipped"), std::string::npos)
      << check.markdown;
}

TEST(Check, EndsWhatHangs) {
  const CheckEnd check = Check({"--parts", "faults", "--filter", "hang", "--seconds", "6"});
  EXPECT_EQ(check.end.end, "with status 1") << check.end.text;
  EXPECT_NE(DetailOf(check.part(), "hangs").find("still running"), std::string::npos);
  EXPECT_EQ(OutcomeOf(check.part(), "the rest"), "failed");
}

TEST(Check, SaysWhatItHadNoTimeFor) {
  const CheckEnd check = Check({"--parts", "parity,faults", "--seconds", "1"});
  EXPECT_EQ(check.end.end, "with status 0") << check.end.text;
  ASSERT_EQ(check.report.at("parts").size(), 2u);
  for (const size_t part : {0, 1}) {
    EXPECT_EQ(OutcomeOf(check.part(part), "all"), "skipped");
    EXPECT_NE(check.markdown.find("the whole time is over"), std::string::npos);
  }
}

TEST(Check, SaysWhatItDoesNotKnow) {
  const CommandEnd part = Check({"--parts", "ops,nothing"}).end;
  EXPECT_EQ(part.end, "with status 2");
  EXPECT_NE(part.text.find("there is no part 'nothing'"), std::string::npos) << part.text;
  const CommandEnd end = RunToEnd(FAKE_CHECK, {"--device", "tpu"}, 60);
  EXPECT_EQ(end.end, "with status 2");
  EXPECT_NE(end.text.find("device 'tpu' is not known"), std::string::npos) << end.text;
}

// A part of the real ones, on the fake GPU: everything passes or says why not.
class CheckPart : public testing::TestWithParam<const char*> {};

TEST_P(CheckPart, PassesOnTheFakeGpu) {
  const CheckEnd check = Check({"--parts", GetParam(), "--seconds", "400"});
  EXPECT_EQ(check.end.end, "with status 0") << check.end.text;
  EXPECT_GT(check.part().at("items").size(), 0u);
  for (const json& item : check.part().at("items")) {
    EXPECT_NE(item.at("outcome"), "failed") << item;
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, CheckPart,
                         testing::Values("ops", "invariance", "parity", "training", "generation",
                                         "collectives", "benchmarks", "serving", "pytorch",
                                         "sanitizer"),
                         [](const auto& test) { return std::string(test.param); });

// A compute-sanitizer that runs the program and says what the test wants.
class Sanitizer : public testing::Test {
 protected:
  CheckEnd CheckWith(const std::string& end_of_script) {
    const std::filesystem::path script = folder_.Write(
        "compute-sanitizer",
        "#!/bin/sh\nwhile [ \"${1#/}\" = \"$1\" ]; do shift; done\n\"$@\"\n" + end_of_script);
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    ::setenv("PATH", (folder_.path().string() + ":" + path_).c_str(), 1);
    return Check({"--parts", "sanitizer", "--seconds", "60"});
  }
  ~Sanitizer() override { ::setenv("PATH", path_.c_str(), 1); }

 private:
  const TemporaryDirectory folder_;
  const std::string path_ = std::getenv("PATH");
};

TEST_F(Sanitizer, PassesWhereNothingWasFound) {
  const CheckEnd check = CheckWith("echo '===== ERROR SUMMARY: 0 errors'\n");
  EXPECT_EQ(DetailOf(check.part(), "memcheck"), "SUMMARY: 0 errors");
  EXPECT_EQ(OutcomeOf(check.part(), "racecheck"), "passed");
}

TEST_F(Sanitizer, FailsWhereSomethingWas) {
  const CheckEnd check = CheckWith("echo 'Invalid __global__ write'; exit 9\n");
  EXPECT_EQ(OutcomeOf(check.part(), "memcheck"), "failed");
  EXPECT_NE(DetailOf(check.part(), "memcheck").find("Invalid __global__"), std::string::npos);
}

TEST_F(Sanitizer, FailsWhereItDoesNotGetToItsEnd) {
  const CheckEnd check = CheckWith("exit 0\n");
  EXPECT_NE(DetailOf(check.part(), "synccheck").find("did not get to its summary"),
            std::string::npos);
}

TEST(CheckReport, HasNotSucceededWhereAnItemFailed) {
  CheckReport report{.parts = {{.name = "p", .items = {{"i", Failed("x"), 0}}}}};
  EXPECT_FALSE(report.Succeeded());
  report.parts[0].items[0].finding = Skipped("no tool");
  EXPECT_TRUE(report.Succeeded());
}

TEST(CheckReport, SaysWhichGoalsAreMet) {
  BenchRow row{.group = "decode",
               .name = "26M",
               .value = 700'000,
               .unit = "tok/s",
               .must = 650'000,
               .aim = 1'000'000};
  const auto line_of = [](const BenchRow& of) {
    const CheckReport report{.parts = {{.name = "benchmarks", .rows = {of}}}};
    const std::string text = ReportMarkdown(report);
    return text.substr(text.find("| 26M"));
  };
  EXPECT_EQ(line_of(row), "| 26M | 700000 tok/s |  | 650000 | 1000000 | must |  |\n");
  row.value = 1'200'000;
  EXPECT_EQ(line_of(row), "| 26M | 1200000 tok/s |  | 650000 | 1000000 | aim |  |\n");
  row.value = 1000;
  EXPECT_EQ(line_of(row), "| 26M | 1000.0 tok/s |  | 650000 | 1000000 | no |  |\n");
  row.note = "64 tokens a step";
  EXPECT_EQ(line_of(row), "| 26M | 1000.0 tok/s |  | 650000 | 1000000 | no | 64 tokens a step |\n");
  row.value = 0;
  EXPECT_EQ(line_of(row), "| 26M |  |  | 650000 | 1000000 |  | 64 tokens a step |\n");
  row = {.group = "ops",
         .name = "26M",
         .value = 5,
         .unit = "us",
         .share = 0.8,
         .bound = "bandwidth",
         .must = 0.75,
         .aim = 0.88,
         .goal_is_share = true};
  EXPECT_EQ(line_of(row), "| 26M | 5 us | 80 % of bandwidth | 75 % | 88 % | must |  |\n");
  row = {.group = "serving",
         .name = "26M",
         .value = 300,
         .unit = "ms",
         .must = 320,
         .lower_is_better = true};
  EXPECT_EQ(line_of(row), "| 26M | 300.0 ms |  | 320.0 |  | must |  |\n");
}

}  // namespace
}  // namespace tandem
