#include "loadtest/workload/workload_file.h"

#include <gtest/gtest.h>

#include <map>

#include "kernels/core/error.h"
#include "loadtest/ladder/ladder_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

constexpr const char* kMinimal = "open-loop: {rate: 5}\nrequests:\n  - prompt: {tokens: 8}\n";

TEST(WorkloadFile, LoadsEveryShippedFile) {
  std::map<std::string, Workload> shipped;
  for (const auto& entry : std::filesystem::directory_iterator(TANDEM_SOURCE_DIR "/configs/load")) {
    if (entry.path().filename() == "ladder.txt") continue;  // what the ladder scores
    EXPECT_EQ(entry.path().extension(), ".yaml") << entry.path();
    shipped[entry.path().stem()] = ReadWorkload(entry.path());
    CheckWorkload(shipped[entry.path().stem()]);
  }
  for (const char* name : {"short_chat", "closed_loop", "overload", "long_and_short", "priorities",
                           "soak", "breaker", "ladder"}) {
    EXPECT_TRUE(shipped.contains(name)) << name;
  }
  const Workload& chat = shipped["short_chat"];
  EXPECT_EQ(chat.api, Api::kCompletions);
  EXPECT_TRUE(chat.stream);
  EXPECT_EQ(chat.duration, std::chrono::seconds(60));
  EXPECT_EQ(chat.rate, 100.0);
  EXPECT_EQ(chat.spacing, Spacing::kPoisson);
  EXPECT_EQ(std::get<FixedLength>(chat.classes[0].prompt.length).value, 8);
  EXPECT_EQ(std::get<FixedLength>(chat.classes[0].output).value, 50);
  EXPECT_TRUE(chat.classes[0].ignore_eos);
  EXPECT_TRUE(shipped["closed_loop"].is_closed_loop());
  const Workload& mix = shipped["long_and_short"];
  EXPECT_EQ(mix.classes[1].weight, 5.0);
  EXPECT_EQ(std::get<FixedLength>(mix.classes[1].prompt.length).value, 4096);
  EXPECT_EQ(shipped["priorities"].classes[0].priority, -1);
  EXPECT_GT(shipped["soak"].classes[1].cancel_share, 0.5);
  CheckLadderWorkload(shipped["ladder"]);
}

TEST(WorkloadFile, ReadsEveryKey) {
  const TemporaryDirectory folder;
  folder.Write("prompts.jsonl",
               "{\"prompt\": \"one\"}\n{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, "
               "{\"role\": \"user\", \"content\": \"two\"}]}\n"
               "{\"conversations\": [{\"role\": \"user\", \"content\": \"three\"}]}\n");
  folder.Write("trace.jsonl", "{\"timestamp\": 1}\n{\"timestamp\": 3}\n");
  const Workload workload = ReadWorkload(folder.Write("w.yaml", R"(
name: all keys
api: chat
stream: false
warm-up: 500ms
seed: 9
token-ids: [10, 20]
open-loop: {trace: trace.jsonl, speed: 0.5}
requests:
  - {name: files, weight: 2, prompt: {file: prompts.jsonl}, output: {uniform: [3, 4]}, temperature: 0.5}
  - name: words
    prompt: {words: {log-normal: {median: 20, sigma: 0.5, min: 2, max: 40}}}
    shared-prefix: {length: 16, count: 3}
    priority: 4
    turns: 2
)"));
  EXPECT_EQ(workload.name, "all keys");
  EXPECT_FALSE(workload.stream);
  EXPECT_EQ(workload.seed, 9u);
  EXPECT_EQ(workload.end_token_id, 20);
  ASSERT_TRUE(workload.trace.has_value());
  EXPECT_EQ(workload.trace->speed, 0.5);
  EXPECT_EQ(workload.duration, std::chrono::milliseconds(4001)) << "the trace's own";
  ASSERT_EQ(workload.classes.size(), 2u);
  EXPECT_EQ(workload.classes[0].texts, (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(workload.classes[0].temperature, 0.5);
  EXPECT_EQ(workload.classes[1].shared_prefix->num_prefixes, 3);
  EXPECT_EQ(std::get<LogNormalLength>(workload.classes[1].prompt.length).max, 40);
}

TEST(WorkloadFile, NamesFileLineKeyAndWayOut) {
  const TemporaryDirectory folder;
  const auto message = [&folder](const std::string& text) {
    const auto file = folder.Write("w.yaml", text);
    return MessageOf<FormatError>([&] { ReadWorkload(file); });
  };
  EXPECT_TRUE(Contains(message(std::string(kMinimal) + "duraton: 5s\n"),
                       "line 4: unknown key duraton; did you mean duration?"));
  EXPECT_TRUE(
      Contains(message("open-loop: {rate: -5}\nrequests: [{prompt: {tokens: 8}}]\n"),
               "line 1: open-loop.rate is \"-5\"; it must be a number from 1e-06 to 1e+06"));
  EXPECT_TRUE(Contains(message("requests: [{prompt: {tokens: 8}}]\n"), "open-loop or closed-loop"));
  EXPECT_TRUE(Contains(message("open-loop: {rate: 5}\nrequests: [{prompt: {}}]\n"),
                       "requests[0].prompt must have one of tokens, words, text, file"));
  EXPECT_TRUE(Contains(message(std::string(kMinimal) + "duration: fast\n"), "such as 500ms"));
  EXPECT_TRUE(Contains(message(std::string(kMinimal) + "api: chatt\n"), "did you mean chat?"));
  folder.Write("t.jsonl", "{\"timestamp\": 1}\n");
  EXPECT_TRUE(Contains(message("open-loop: {rate: 5, trace: t.jsonl}\nrequests: "
                               "[{prompt: {tokens: 8}}]\n"),
                       "open-loop.rate or trace must be given, and not both"));
  EXPECT_TRUE(Contains(message("open-loop: {rate: 5, burstiness: 2}\nrequests: "
                               "[{prompt: {tokens: 8}}]\n"),
                       "burstiness goes with spacing: gamma"));
  EXPECT_TRUE(Contains(message("[1, 2]"), "must be a map"));
  EXPECT_TRUE(Contains(message("a: [1"), "w.yaml: "));
  EXPECT_TRUE(Contains(message("open-loop: {rate: 5}\nrequests: [{prompt: {file: none.txt}}]\n"),
                       "none.txt"));
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { ReadWorkload(folder / "none.yaml"); }),
                       "cannot be read"));
}

TEST(WorkloadFile, RefusesWhatDoesNotGoTogether) {
  const TemporaryDirectory folder;
  const auto message = [&folder](const std::string& text) {
    const Workload workload = ReadWorkload(folder.Write("w.yaml", text));
    return MessageOf<ConfigError>([&] { CheckWorkload(workload); });
  };
  const std::string minimal = kMinimal;
  EXPECT_TRUE(Contains(message(minimal + "api: chat\n"), "give its length in words"));
  EXPECT_TRUE(Contains(message(minimal + "    turns: 3\n"), "turns need the API chat"));
  EXPECT_TRUE(Contains(message(minimal + "duration: 5s\nwarm-up: 5s\n"), "leaves nothing"));
  EXPECT_TRUE(Contains(message(minimal + "    cancel: {share: 0.5}\nstream: false\n"), "cancel"));
  EXPECT_TRUE(Contains(message("open-loop: {rate: 5}\n"), "requests is missing"));
}

}  // namespace
}  // namespace tandem
