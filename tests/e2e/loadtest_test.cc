// tandem-loadtest against tandem serve with the model that comes with it: what one says adds up to
// what the other did.

#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/api/support/certificate.h"
#include "tests/e2e/served_program.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using nlohmann::json;

const std::string kLoadtest = TANDEM_BUILD_DIR "/bin/tandem-loadtest";

TEST(LoadtestProgram, AddsUpOnTheDefaultModel) {
  if (!std::filesystem::exists(kLoadtest)) GTEST_SKIP() << kLoadtest << " is not built";
  Program server(
      {TANDEM_BUILD_DIR "/bin/tandem", "serve", "--port", "0", "--kv-cache-memory", "64MiB"});
  const uint16_t port = PortOf(server);
  ASSERT_NE(port, 0) << server.text();
  const TemporaryDirectory folder;
  Program load({kLoadtest, "run", "short_chat", "--url", "http://127.0.0.1:" + std::to_string(port),
                "--rate", "12", "--duration", "2s", "--warm-up", "0s", "--json",
                (folder / "r.json").string()});
  ASSERT_EQ(load.Wait(), 0) << load.text();
  const json result = json::parse(folder.Read("r.json"));
  const json& total = result["total"];
  const int64_t num_requests = total["requests"];
  EXPECT_GT(num_requests, 5);
  EXPECT_EQ(result["due"], num_requests);
  EXPECT_EQ(total["outcomes"]["completed"], num_requests) << load.text();
  EXPECT_EQ(total["errors"], 0);
  EXPECT_EQ(result["output_tokens_from"], "usage");
  EXPECT_EQ(total["output_tokens"], 50 * num_requests) << "ignore_eos: each has all its tokens";
  EXPECT_EQ(total["input_tokens"], 8 * num_requests);
  const json& histograms = total["histograms"];
  EXPECT_EQ(histograms["e2e"]["count"], num_requests);
  EXPECT_EQ(histograms["ttft"]["count"], num_requests);
  EXPECT_EQ(histograms["tpot"]["count"], num_requests);
  EXPECT_LE(histograms["itl"]["count"], 49 * num_requests);
  int64_t num_due = 0;
  int64_t num_completed = 0;
  int64_t num_outputs = 0;
  for (const json& point : result["timeline"]) {
    num_due += point["due"].get<int64_t>();
    num_completed += point["completed"].get<int64_t>();
    num_outputs += point["outputs"].get<int64_t>();
  }
  EXPECT_EQ(num_due, num_requests);
  EXPECT_EQ(num_completed, num_requests);
  EXPECT_EQ(num_outputs, histograms["itl"]["count"].get<int64_t>() + num_requests);
  const double seconds = result["window_seconds"];
  EXPECT_GE(seconds, 2.0);
  EXPECT_NEAR(result["requests_per_second"].get<double>() * seconds,
              static_cast<double>(num_requests), 1e-6);
  EXPECT_EQ(json::parse(result["server"]["version"].get<std::string>())["model"], "default");
  const json metrics = total["latency_ms"];
  EXPECT_LE(metrics["ttft"]["p50"], metrics["e2e"]["p50"]);

  const RawResponse counted = [&] {
    RawClient client(port);
    client.Send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client.ReadResponse();
  }();
  EXPECT_NE(counted.body.find(std::to_string(50 * num_requests)), std::string::npos)
      << "the server counted other tokens";
}

TEST(LoadtestProgram, SpeaksTlsAndSendsTheKey) {
  if (!std::filesystem::exists(kLoadtest)) GTEST_SKIP() << kLoadtest << " is not built";
  const TemporaryDirectory folder;
  const PemPair pair = MakeCertificate("localhost");
  Program server({TANDEM_BUILD_DIR "/bin/tandem", "serve", "--port", "0", "--kv-cache-memory",
                  "64MiB", "--api-key", "kangaroo", "--ssl-certfile",
                  folder.Write("cert.pem", pair.certificate), "--ssl-keyfile",
                  folder.Write("key.pem", pair.key)});
  const uint16_t port = PortOf(server, "https");
  ASSERT_NE(port, 0) << server.text();
  const auto run = [port](std::vector<std::string> more) {
    std::vector<std::string> command = {
        kLoadtest, "run", "short_chat", "--url", "https://127.0.0.1:" + std::to_string(port),
        "--rate",  "10",  "--duration", "1s"};
    command.insert(command.end(), more.begin(), more.end());
    Program program(command);
    const int status = program.Wait();
    return std::pair(status, program.text());
  };
  const auto [refused, why] = run({});
  EXPECT_EQ(refused, 2);
  EXPECT_NE(why.find("--no-tls-verify"), std::string::npos) << why;
  const auto [keyless, answer] = run({"--no-tls-verify"});
  EXPECT_EQ(keyless, 1) << "nothing completed";
  EXPECT_NE(answer.find("the API key is missing or wrong"), std::string::npos) << answer;
  const auto [status, text] = run({"--no-tls-verify", "--api-key", "kangaroo"});
  EXPECT_EQ(status, 0) << text;
  EXPECT_NE(text.find(", 0 errors"), std::string::npos) << text;
}

// Processes whose command line has the word, by the system's list of them.
int NumProcessesWith(const std::string& word) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string line((std::istreambuf_iterator<char>(file)), {});
    if (line.find(word) != line.npos) ++count;
  }
  return count;
}

// Nothing here depends on how fast a step is.
TEST(LoadtestProgram, ClimbsTheLadder) {
  if (!std::filesystem::exists(kLoadtest)) GTEST_SKIP() << kLoadtest << " is not built";
  const TemporaryDirectory folder;
  const std::string name = "--served-model-name=ladder-test-" + std::to_string(::getpid());
  Program ladder({kLoadtest, "ladder", "--duration", "400ms", "--warm-up", "100ms", "--concurrency",
                  "4", "--serve-flag=--kv-cache-memory=64MiB", "--serve-flag=" + name, "--json",
                  (folder / "l.json").string()});
  ASSERT_EQ(ladder.Wait(), 0) << ladder.text();
  EXPECT_EQ(NumProcessesWith(name), 0) << "no server is left";
  const json result = json::parse(folder.Read("l.json"));
  EXPECT_EQ(result["succeeded"], true);
  EXPECT_EQ(result["model"], name.substr(name.find("ladder-test")));
  const std::vector<std::string> names = {
      "no cache", "KV cache", "static batching", "continuous batching", "prefix cache", "int8"};
  ASSERT_EQ(result["steps"].size(), names.size());
  const double first_bits = result["steps"][0]["text"]["bits_per_byte"];
  EXPECT_GT(first_bits, 0.5);
  EXPECT_LT(first_bits, 4.0);
  for (size_t i = 0; i < names.size(); ++i) {
    const json& step = result["steps"][i];
    EXPECT_EQ(step["name"], names[i]);
    EXPECT_NE(ladder.text().find("\n" + names[i] + " "), std::string::npos) << ladder.text();
    EXPECT_EQ(step["failure"], "");
    EXPECT_GT(step["window_seconds"], 0.0) << names[i];
    EXPECT_GE(step["ended_requests"]["outcomes"]["completed"], 1) << names[i];
    EXPECT_EQ(step["ended_requests"]["errors"], 0);
    EXPECT_NE(step["server"].get<std::string>().find(" threads"), std::string::npos);
    const json& answers = step["answers"];
    EXPECT_GE(answers["compared"], 1) << names[i];
    EXPECT_EQ(answers["must_be_same"], names[i] != "int8");
    if (names[i] == "int8") continue;
    EXPECT_EQ(answers["same"], answers["compared"]) << names[i];
    EXPECT_EQ(answers["same_tokens"], answers["compared_tokens"]) << names[i];
    EXPECT_EQ(step["text"]["bits_per_byte"], first_bits) << names[i];
  }
  const json& int8 = result["steps"][5];
  EXPECT_NE(int8["version"].get<std::string>().find("\"int8\""), std::string::npos);
  EXPECT_NE(int8["text"]["bits_per_byte"], first_bits) << "it was rounded";
  EXPECT_NEAR(int8["text"]["bits_per_byte"].get<double>(), first_bits, 0.1);
  const int64_t cached = result["steps"][4]["ended_requests"]["cached_tokens"];
  EXPECT_GT(cached, 0) << "prefixes are shared";
  EXPECT_EQ(result["steps"][3]["ended_requests"]["cached_tokens"], 0);
}

TEST(LoadtestProgram, LeavesNoServerWhenTheLadderIsInterrupted) {
  if (!std::filesystem::exists(kLoadtest)) GTEST_SKIP() << kLoadtest << " is not built";
  const std::string name = "--served-model-name=cut-test-" + std::to_string(::getpid());
  const std::string flag = "--serve-flag=" + name;
  Program ladder(
      {kLoadtest, "ladder", "--duration", "60s", flag, "--serve-flag=--kv-cache-memory=64MiB"});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (NumProcessesWith(name) < 2 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_EQ(NumProcessesWith(name), 2) << "the ladder and its server";
  ladder.Signal(SIGINT);
  EXPECT_EQ(ladder.Wait(), 1) << ladder.text();
  EXPECT_NE(ladder.text().find("interrupted by Ctrl-C"), std::string::npos) << ladder.text();
  EXPECT_EQ(NumProcessesWith(name), 0);
}

}  // namespace
}  // namespace tandem
