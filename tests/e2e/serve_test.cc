// The program `tandem` as its users run it, on a small real model.

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/api/support/certificate.h"
#include "tests/api/support/raw_client.h"
#include "tests/api/support/tls_client.h"
#include "tests/e2e/program.h"
#include "tests/e2e/served_program.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using nlohmann::json;

const std::string kTandem = TANDEM_BUILD_DIR "/bin/tandem";
const std::string kModel = TANDEM_SOURCE_DIR "/../shared/data/models/stories260K";

class ServeProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kTandem)) GTEST_SKIP() << kTandem << " is not built";
    if (!std::filesystem::exists(kModel)) GTEST_SKIP() << kModel << " is not there";
  }

  static std::vector<std::string> ServeCommand(const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {kTandem,  "serve", "--model",           kModel,
                                        "--port", "0",     "--kv-cache-memory", "16MiB"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
};

TEST_F(ServeProgram, CompletesAStoryAndStopsOnRequest) {
  Program server(ServeCommand());
  const uint16_t port = PortOf(server);
  ASSERT_NE(port, 0) << server.text();
  const json ask = {{"prompt", "Once upon a time"}, {"max_tokens", 20}, {"temperature", 0}};
  const RawResponse response = Complete(port, ask);
  ASSERT_EQ(response.status, 200) << response.body;
  const json body = json::parse(response.body);
  EXPECT_EQ(body["model"], "stories260K");
  EXPECT_EQ(body["usage"]["completion_tokens"], 20);
  EXPECT_EQ(body["choices"][0]["text"].get<std::string>().substr(0, 8), ", there ");

  json stream = ask;
  stream["stream"] = true;
  const RawResponse streamed = Complete(port, stream);
  EXPECT_TRUE(streamed.body.ends_with("data: [DONE]\n\n"));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.text();
}

TEST_F(ServeProgram, FinishesARunningRequestAfterTheSignal) {
  Program server(ServeCommand());
  const uint16_t port = PortOf(server);
  ASSERT_NE(port, 0) << server.text();
  RawClient client(port);
  const std::string body = R"({"prompt":"Once","max_tokens":400,"ignore_eos":true,"stream":true})";
  client.Send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(client.ReceiveUntil("data: "));
  server.Signal(SIGTERM);
  EXPECT_TRUE(client.ReadResponse().body.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(server.Wait(), 0) << server.text();
}

TEST_F(ServeProgram, DropsEverythingAtASecondSignal) {
  Program server(ServeCommand());
  const uint16_t port = PortOf(server);
  ASSERT_NE(port, 0) << server.text();
  RawClient client(port);
  const json ask = {{"prompt", std::vector<std::string>(32, "Once")},
                    {"n", 16},
                    {"max_tokens", 500},
                    {"ignore_eos", true},
                    {"stream", true}};
  const std::string body = ask.dump();
  client.Send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(client.ReceiveUntil("data: "));
  server.Signal(SIGTERM);
  ASSERT_TRUE(server.WaitForOutput("stopping"));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 1) << server.text();
  EXPECT_FALSE(client.ReadResponse().complete);
}

TEST_F(ServeProgram, AnswersAChatAndLogsPromptsOnlyWhenAsked) {
  const json ask = {{"messages", {{{"role", "user"}, {"content", "secret wish"}}}},
                    {"max_tokens", 4}};
  for (const bool logged : {false, true}) {
    std::vector<std::string> command = ServeCommand({"--chat-template", "chatml"});
    if (logged) command.push_back("--log-prompts");
    Program server(command);
    const uint16_t port = PortOf(server);
    ASSERT_NE(port, 0) << server.text();
    const RawResponse response = Complete(port, ask, "/v1/chat/completions");
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(json::parse(response.body)["usage"]["completion_tokens"], 4);
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0) << server.text();
    EXPECT_EQ(server.text().find("secret wish") != std::string::npos, logged) << server.text();
  }
}

TEST_F(ServeProgram, GeneratesTheSameTextAsTheServer) {
  Program server(ServeCommand());
  const uint16_t port = PortOf(server);
  ASSERT_NE(port, 0) << server.text();
  const json ask = {{"prompt", "Lily and Tom"}, {"max_tokens", 30}, {"seed", 7}};
  const std::string text = json::parse(Complete(port, ask).body)["choices"][0]["text"];
  Program generate({kTandem, "generate", "--model", kModel, "--prompt", "Lily and Tom",
                    "--max-tokens", "30", "--seed", "7", "--no-stats"});
  EXPECT_EQ(generate.Wait(), 0);
  EXPECT_EQ(generate.text(), text + "\n");
}

TEST_F(ServeProgram, InspectsAModel) {
  Program inspect({kTandem, "inspect", kModel, "--tensors"});
  EXPECT_EQ(inspect.Wait(), 0);
  EXPECT_NE(inspect.text().find("model.embed_tokens.weight"), std::string::npos);
  EXPECT_NE(inspect.text().find("of keys and values a token"), std::string::npos);
}

TEST_F(ServeProgram, CommandsShareOneEnvironment) {
  const auto run = [](const std::string& variable, const std::string& command) {
    Program program({"/usr/bin/env", variable, kTandem, command, "--model", kModel});
    const int status = program.Wait();
    return std::pair(status, program.text());
  };
  EXPECT_EQ(run("TANDEM_PORT=8000", "inspect").first, 0);
  EXPECT_EQ(run("TANDEM_TENSORS=true", "inspect").first, 0);
  EXPECT_EQ(run("TANDEM_PROT=8000", "inspect"),
            (std::pair<int, std::string>(
                2, "tandem inspect: unknown variable TANDEM_PROT; did you mean TANDEM_PORT?\n")));
  EXPECT_EQ(run("TANDEM_TRAIN_PORT=x", "inspect").first, 0) << "the trainer's";
  Program generate({"/usr/bin/env", "TANDEM_PORT=8000", "TANDEM_PROMPT=Lily", kTandem, "generate",
                    "--model", kModel, "--max-tokens", "1", "--no-stats"});
  EXPECT_EQ(generate.Wait(), 0) << generate.text();
}

TEST_F(ServeProgram, RefusesToServeStrangersWithoutAKey) {
  Program server({kTandem, "serve", "--model", kModel, "--host", "0.0.0.0"});
  EXPECT_EQ(server.Wait(), 2);
  EXPECT_NE(server.text().find("--allow-unauthenticated"), std::string::npos);
}

// What /metrics, which needs a key, says over a new connection; 0 without an answer.
int StatusWithKey(uint16_t port, const std::string& key, const std::string& common_name) {
  TlsClient client(port);
  if (!client.Handshake() || client.common_name() != common_name) return 0;
  client.Send("GET /metrics HTTP/1.1\r\nHost: any.example\r\nx-api-key: " + key + "\r\n\r\n");
  return client.ReadResponse().status;
}

TEST_F(ServeProgram, ReadsKeysAndCertificatesAgainOnHangUp) {
  const TemporaryDirectory folder;
  const auto write = [&folder](const std::string& common_name) {
    const PemPair pair = MakeCertificate(common_name);
    folder.Write("cert.pem", pair.certificate);
    folder.Write("key.pem", pair.key);
  };
  write("old.example");
  folder.Write("keys", "kangaroo\n");
  Program server(ServeCommand({"--ssl-certfile", folder / "cert.pem", "--ssl-keyfile",
                               folder / "key.pem", "--api-key-file", folder / "keys"}));
  const uint16_t port = PortOf(server, "https");
  ASSERT_NE(port, 0) << server.text();
  EXPECT_EQ(StatusWithKey(port, "kangaroo", "old.example"), 200);
  EXPECT_EQ(StatusWithKey(port, "wallaby", "old.example"), 401);

  write("new.example");
  folder.Write("keys", "wallaby\nwombat\n");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitForOutput("certificate reloaded")) << server.text();
  EXPECT_EQ(StatusWithKey(port, "kangaroo", "new.example"), 401);
  EXPECT_EQ(StatusWithKey(port, "wallaby", "new.example"), 200);

  folder.Write("cert.pem", "broken");
  folder.Write("keys", "");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitForOutput("certificate not reloaded")) << server.text();
  EXPECT_NE(server.text().find("API keys not reloaded"), std::string::npos);
  EXPECT_EQ(StatusWithKey(port, "wombat", "new.example"), 200) << "the old ones stay";
  EXPECT_EQ(server.text().find("wallaby"), std::string::npos) << "no key in the log";
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.text();
}

TEST_F(ServeProgram, EndsOnHangUpWithNothingToReadAgain) {
  Program server(ServeCommand());
  ASSERT_NE(PortOf(server), 0) << server.text();
  server.Signal(SIGHUP);
  EXPECT_NE(server.Wait(), 0);
}

TEST_F(ServeProgram, NamesTheFileThatIsWrong) {
  Program server(ServeCommand({"--ssl-certfile", "/nonexistent/cert.pem"}));
  EXPECT_EQ(server.Wait(), 2);
  EXPECT_NE(server.text().find("--ssl-certfile /nonexistent/cert.pem cannot be read"),
            std::string::npos);
}

TEST_F(ServeProgram, ListensOnAUnixSocket) {
  const TemporaryDirectory folder;
  Program server(ServeCommand({"--uds", folder / "socket"}));
  ASSERT_TRUE(server.WaitForOutput("ready on http+unix:")) << server.text();
  EXPECT_TRUE(std::filesystem::is_socket(folder / "socket"));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.text();
  EXPECT_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_F(ServeProgram, SaysWhereTheDefaultModelIsNot) {
  const TemporaryDirectory elsewhere;
  std::filesystem::copy_file(kTandem, elsewhere / "tandem");
  Program server({(elsewhere / "tandem").string(), "serve", "--port", "0"});
  EXPECT_EQ(server.Wait(), 2);
  EXPECT_NE(server.text().find("the default model is not there"), std::string::npos)
      << server.text();
  EXPECT_NE(server.text().find("--model DIR"), std::string::npos);
}

}  // namespace
}  // namespace tandem
