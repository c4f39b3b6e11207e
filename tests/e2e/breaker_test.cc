// The circuit breaker of the program, over an outage that --fail-steps makes: it opens, answers at
// once, tries again and closes.

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "tests/e2e/letter_model.h"
#include "tests/e2e/program.h"
#include "tests/e2e/served_program.h"

namespace tandem {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

const std::string kTandem = TANDEM_BUILD_DIR "/bin/tandem";

class BreakerProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kTandem)) GTEST_SKIP() << kTandem << " is not built";
    WriteLetterModel(model_, folder_);
  }
  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> command = {kTandem,
                                        "serve",
                                        "--model",
                                        model_.string(),
                                        "--port",
                                        "0",
                                        "--threads",
                                        "1",
                                        "--kv-cache-memory",
                                        "16MiB",
                                        "--breaker-min-requests",
                                        "4",
                                        "--breaker-open-time",
                                        "300ms",
                                        "--breaker-probes",
                                        "2"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  static RawResponse Get(uint16_t port, const std::string& path) {
    RawClient client(port);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client.ReadResponse();
  }

  const json ask_ = {{"prompt", "once upon"}, {"max_tokens", 3}, {"ignore_eos", true}};

 private:
  TemporaryDirectory folder_;
  const std::filesystem::path model_ = folder_.path() / "letters";
};

TEST_F(BreakerProgram, OpensInAnOutageAndClosesAfterIt) {
  // Four requests fail in their first step, then two probes.
  Program server(Command({"--fail-steps", "1:6"}));
  const uint16_t port = PortOf(server);
  ASSERT_NE(port, 0) << server.text();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Complete(port, ask_).status, 500);
  const RawResponse refused = Complete(port, ask_);
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_EQ(refused.Header("retry-after"), "1");
  EXPECT_EQ(json::parse(refused.body)["error"]["code"], "circuit_open");
  EXPECT_EQ(Get(port, "/ready").status, 503);
  EXPECT_EQ(Get(port, "/health").status, 200);

  int num_successes = 0;
  const auto deadline = steady_clock::now() + std::chrono::minutes(1);
  while (num_successes < 5 && steady_clock::now() < deadline) {
    num_successes += Complete(port, ask_).status == 200;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(num_successes, 5);
  EXPECT_EQ(Get(port, "/ready").status, 200);
  const std::string metrics = Get(port, "/metrics").body;
  for (const char* line :
       {"tandem_breaker_state{state=\"closed\"} 1", "tandem_breaker_failures_total 6",
        "tandem_step_failures_total 6", "tandem_breaker_transitions_total{to=\"open\"} 3",
        "tandem_breaker_transitions_total{to=\"closed\"} 1"}) {
    EXPECT_NE(metrics.find("\n" + std::string(line) + "\n"), std::string::npos) << line;
  }
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.text();
  for (const char* line :
       {"steps are made to fail", "what=\"a step failed: step 1 was told to fail",
        "circuit breaker from=closed to=open failed=4 ended=4",
        "circuit breaker from=half_open to=closed"}) {
    EXPECT_NE(server.text().find(line), std::string::npos) << line << "\n" << server.text();
  }
}

TEST_F(BreakerProgram, GivesTheDegradedAnswerOfAConfigurationFile) {
  TemporaryDirectory folder;
  const auto config = folder.Write("serve.yaml",
                                   "degraded-answer: Come back later.\n"
                                   "breaker-open-time: 1h\nbreaker-max-open-time: 1h\n");
  std::vector<std::string> command =
      Command({"--fail-steps", "every:1", "--config", config.string()});
  std::erase(command, "--breaker-open-time");
  std::erase(command, "300ms");
  Program server(command);
  const uint16_t port = PortOf(server);
  ASSERT_NE(port, 0) << server.text();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Complete(port, ask_).status, 500);
  const RawResponse degraded = Complete(port, ask_);
  EXPECT_EQ(degraded.status, 200);
  EXPECT_EQ(degraded.Header("x-tandem-degraded"), "1");
  EXPECT_EQ(json::parse(degraded.body)["choices"][0]["text"], "Come back later.");
  EXPECT_EQ(Get(port, "/ready").status, 200);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.text();
}

TEST_F(BreakerProgram, SaysWhatIsWrongWithItsSettings) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--fail-steps", "often"}, "expected FROM:TO"},
      {{"--breaker-max-open-time", "1ms"}, "less than --breaker-open-time"},
      {{"--degraded-answer", "sorry", "--breaker-threshold", "0"}, "is never given"}};
  for (const auto& [arguments, message] : cases) {
    Program server(Command(arguments));
    EXPECT_NE(server.Wait(), 0);
    EXPECT_NE(server.text().find(message), std::string::npos) << server.text();
  }
}

}  // namespace
}  // namespace tandem
