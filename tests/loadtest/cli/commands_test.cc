// The commands, against a server whose answers are known.

#include "loadtest/cli/commands.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "kernels/core/error.h"
#include "tests/loadtest/support/mock_server.h"
#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

const std::string kShortChat = TANDEM_SOURCE_DIR "/configs/load/short_chat.yaml";

CommandOutcome Loadtest(const std::string& name, std::vector<std::string> arguments) {
  const auto commands = LoadtestCommands();
  const auto command = std::ranges::find(commands, name, &LoadtestCommand::name);
  EXPECT_NE(command, commands.end()) << name;
  return RunInProcess("tandem-loadtest", command->run, std::move(arguments));
}

TEST(LoadtestCommands, RunWritesATableAResultAndAPage) {
  const TemporaryDirectory folder;
  MockServer server({.first = std::chrono::milliseconds(5), .num_pieces = 4});
  const std::string json_file = folder / "r.json";
  const std::string html_file = folder / "r.html";
  const CommandOutcome run =
      Loadtest("run", {kShortChat, "--url", server.url(), "--rate", "60", "--duration", "1s",
                       "--warm-up", "100ms", "--goodput", "e2e:10s", "--salt", "7", "--json",
                       json_file, "--html", html_file});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_TRUE(Contains(run.out, "open loop: poisson, 60 requests/s for 1s"));
  EXPECT_TRUE(Contains(run.out, "{\"version\":\"mock 1\"}"));
  EXPECT_TRUE(Contains(run.out, "(counted by usage)"));
  EXPECT_TRUE(Contains(run.out, "100.00 % within e2e:10s"));

  const auto json = nlohmann::json::parse(folder.Read("r.json"));
  const int64_t num_completed = json["total"]["outcomes"]["completed"];
  EXPECT_EQ(json["server"]["model"], "mock-model");
  EXPECT_EQ(json["total"]["requests"], num_completed);
  EXPECT_EQ(json["total"]["output_tokens"], 4 * num_completed);
  EXPECT_EQ(json["total"]["histograms"]["itl"]["count"], 3 * num_completed);
  EXPECT_EQ(json["salt"], "7");
  const std::string body = server.Records()[0].body;
  EXPECT_EQ(nlohmann::json::parse(body)["model"], "mock-model");

  const std::string page = folder.Read("r.html");
  EXPECT_TRUE(Contains(page, "Load test: short_chat"));
  EXPECT_TRUE(Contains(page, "requests a second"));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("http-equiv"), std::string::npos);

  const CommandOutcome report =
      Loadtest("report", {json_file, "--html", (folder / "again.html").string()});
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_EQ(folder.Read("again.html"), page) << "the result has all that the page shows";
  const CommandOutcome compare =
      Loadtest("compare", {json_file, json_file, "--html", (folder / "both.html").string()});
  EXPECT_EQ(compare.status, 0) << compare.err;
  EXPECT_TRUE(Contains(compare.out, "e2e p95"));
  EXPECT_TRUE(Contains(folder.Read("both.html"), "<svg"));
}

TEST(LoadtestCommands, MergeAddsUpWorkersThatRanSideBySide) {
  const TemporaryDirectory folder;
  MockServer server({.num_pieces = 2});
  const auto run = [&](const std::string& seed) {
    const CommandOutcome outcome = Loadtest(
        "run", {kShortChat, "--url", server.url(), "--rate", "40", "--duration", "1s", "--warm-up",
                "0s", "--seed", seed, "--json", (folder / ("worker" + seed + ".json")).string()});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
  };
  // Each on a thread, as other programs would be; the signals that they wait for are never sent.
  std::jthread first(run, "1");
  run("2");
  first.join();
  const CommandOutcome merge = Loadtest(
      "merge", {(folder / "worker1.json").string(), (folder / "worker2.json").string(), "--json",
                (folder / "m.json").string(), "--html", (folder / "m.html").string()});
  ASSERT_EQ(merge.status, 0) << merge.err;
  EXPECT_TRUE(Contains(merge.out, "2 of this load, side by side"));
  EXPECT_TRUE(Contains(merge.out, "of 80.00 due"));
  const auto total = [&](const char* name) {
    return nlohmann::json::parse(folder.Read(name))["total"]["requests"].get<int64_t>();
  };
  EXPECT_EQ(total("m.json"), total("worker1.json") + total("worker2.json"));
  EXPECT_EQ(server.Records().size(), static_cast<size_t>(total("m.json")));
  EXPECT_TRUE(Contains(folder.Read("m.html"), "<td>seed</td><td>1, 2</td>"));
}

// The server takes one request at a time where the client sends one at a time: 20 ms each, so some
// 45 a second at most, on any machine below 50. The rate that is found cannot be above.
TEST(LoadtestCommands, SearchFindsNoMoreThanTheServerCanDo) {
  const TemporaryDirectory folder;
  MockServer server({.first = std::chrono::milliseconds(20), .num_pieces = 1});
  const std::string json_file = folder / "s.json";
  const CommandOutcome search = Loadtest(
      "search", {kShortChat,   "--url",        server.url(), "--slo",       "p90(e2e)<250ms",
                 "--duration", "1s",           "--warm-up",  "0s",          "--max-in-flight",
                 "1",          "--first-rate", "5",          "--precision", "0.5",
                 "--max-rate", "400",          "--repeats",  "1",           "--json",
                 json_file});
  ASSERT_EQ(search.status, 0) << search.err << search.out;
  EXPECT_TRUE(Contains(search.out, "highest rate"));
  EXPECT_TRUE(Contains(search.out, "(held in 1 of 1 tries)"));
  const double rate = nlohmann::json::parse(folder.Read("s.json"))["offered_rate"];
  EXPECT_LE(rate, 80.0) << search.out;
}

TEST(LoadtestCommands, SayWhatIsWrong) {
  const TemporaryDirectory folder;
  const auto failure = [](const std::string& name, std::vector<std::string> arguments) {
    const CommandOutcome outcome = Loadtest(name, std::move(arguments));
    EXPECT_EQ(outcome.status, kExitUsage) << outcome.out;
    return outcome.err;
  };
  std::string dead;
  {
    MockServer gone({});
    dead = gone.url();
  }
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--url", dead}), "no server at " + dead));
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--rate", "-3"}), "--rate"));
  EXPECT_TRUE(Contains(failure("run", {"no_such_load"}), "configs/load"));
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--users", "3", "--rate", "4"}), "one of them"));
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--think-time", "1s"}), "--users"));
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--salt", "pepper"}), "pepper"));
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--burstiness", "2"}), "--spacing gamma"));
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--url", "ftp://x"}), "http://"));
  EXPECT_TRUE(Contains(failure("run", {kShortChat, "--raet", "3"}), "--rate"));
  EXPECT_TRUE(Contains(failure("search", {kShortChat}), "--slo"));
  EXPECT_TRUE(Contains(failure("search", {kShortChat, "--slo", "p95(e2e)<1s", "--rate", "3"}),
                       "--first-rate"));
  const std::string other = folder.Write("other.json", "{\"a\": 1}");
  EXPECT_TRUE(Contains(failure("report", {other}), "not a result of tandem-loadtest"));
  EXPECT_TRUE(Contains(failure("compare", {other, (folder / "none.json").string()}), "other.json"));
}

TEST(LoadtestCommands, LetTheVariablesOfOneAnotherPass) {
  Settings settings("tandem-loadtest compare", "");
  IgnoreOtherLoadtestCommands(settings);
  const auto parse = [&settings](const std::string& variable) {
    settings.Parse({.arguments = {}, .variables = {{variable, "x"}}});
  };
  parse("TANDEM_LOADTEST_API_KEY");
  parse("TANDEM_LOADTEST_SLO");
  parse("TANDEM_RAET");
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { parse("TANDEM_LOADTEST_RAET"); }),
                       "did you mean TANDEM_LOADTEST_RATE?"));
}

TEST(LoadtestCommands, EveryOneHasHelp) {
  for (const LoadtestCommand& command : LoadtestCommands()) {
    if (command.name == "help") continue;
    const CommandOutcome help = RunInProcess("tandem-loadtest", command.run, {"--help"});
    EXPECT_EQ(help.status, 0) << command.name;
    EXPECT_TRUE(Contains(help.out, "tandem-loadtest " + std::string(command.name)));
    EXPECT_TRUE(Contains(LoadtestCommandOverview(), std::string(command.name)));
  }
}

}  // namespace
}  // namespace tandem
