// The proxy of docker/nginx before two replicas: streams, failures and stops as clients see them.
// By the shipped template, a real nginx and real servers; skipped aloud without nginx.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/e2e/replicas.h"

namespace tandem {
namespace {

using nlohmann::json;

constexpr std::string_view kDone = "data: [DONE]\n\n";

// As envsubst does it in the container.
std::string Rendered(const std::map<std::string, std::string>& values) {
  std::string text = ReadText(kDocker / "nginx/nginx.conf.template");
  for (const auto& [name, value] : values) text = Replaced(text, "${" + name + "}", value);
  return text;
}

class Nginx : public ::testing::Test {
 protected:
  void SetUp() override {
    nginx_ = FindProgram("nginx");
    if (nginx_.empty()) GTEST_SKIP() << "SKIPPED: nginx is not installed (Debian: nginx-light)";
    // Workers of a root's nginx are somebody else, who must reach the folder.
    std::filesystem::permissions(base_.path(), std::filesystem::perms(0755));
  }

  void WriteConfig(const std::string& first, const std::string& second) {
    port_ = FreePort();
    const std::string text = Rendered({{"PROXY_DIR", base_.path().string()},
                                       {"PROXY_LISTEN", "127.0.0.1:" + std::to_string(port_)},
                                       {"PROXY_ACCESS_LOG", base_ / "access.log"},
                                       {"PROXY_ERROR_LOG", base_ / "error.log"},
                                       {"PROXY_RESOLVER", "127.0.0.1"},
                                       {"PROXY_REPLICA_1", first},
                                       {"PROXY_REPLICA_2", second}});
    ASSERT_EQ(text.find("${"), text.npos) << "a variable that this test does not know";
    base_.Write("nginx.conf", text);
  }
  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> command = {
        nginx_, "-p", base_.path(), "-e", base_ / "error.log", "-c", base_ / "nginx.conf"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  void StartNginx(const std::string& first, const std::string& second) {
    ASSERT_NO_FATAL_FAILURE(WriteConfig(first, second));
    Program check(Command({"-t"}));
    ASSERT_EQ(check.Wait(), 0) << check.text();
    proxy_ = std::make_unique<Program>(Command({"-g", "daemon off;"}));
    ASSERT_TRUE(Eventually([this] { return RawClient(port_).connected(); })) << ErrorLog();
  }
  void StartAll(const std::vector<std::string>& more = {}) {
    for (const char* name : {"one", "two"}) {
      replicas_.push_back(std::make_unique<Replica>(name, more));
      ASSERT_NE(replicas_.back()->port(), 0) << replicas_.back()->program().text();
    }
    ASSERT_NO_FATAL_FAILURE(StartNginx(replicas_[0]->address(), replicas_[1]->address()));
  }
  void TearDown() override {
    for (const auto& replica : replicas_) replica->program().Signal(SIGCONT);
    if (!proxy_) return;
    proxy_->Signal(SIGTERM);  // a master that is killed leaves its workers behind
    EXPECT_EQ(proxy_->Wait(), 0) << proxy_->text() << ErrorLog();
  }

  std::string ErrorLog() const { return base_.Read("error.log"); }
  std::vector<json> AccessLog() const {
    std::vector<json> lines;
    for (const std::string& line : SplitLines(base_.Read("access.log"))) {
      lines.push_back(json::parse(line));
    }
    return lines;
  }
  Ask Stream(int max_tokens, int num_choices = 1) const {
    return AskFor(port_, {{"prompt", "Once upon a time"},
                          {"max_tokens", max_tokens},
                          {"n", num_choices},
                          {"ignore_eos", true},
                          {"temperature", 0},
                          {"stream", true}});
  }
  Ask Short() const { return Stream(8); }
  // Who answers, by the first chunk; null when none comes.
  Replica* ServerOf(Ask& ask) const {
    if (!ask.client().ReceiveUntil("\n\n")) return nullptr;
    for (const auto& replica : replicas_) {
      if (ask.client().input().find("\"model\":\"" + replica->name()) != std::string::npos) {
        return replica.get();
      }
    }
    return nullptr;
  }
  Replica& Other(const Replica& replica) const {
    return *replicas_[&replica == replicas_[0].get() ? 1 : 0];
  }
  // Whole, and made by this replica.
  static void ExpectWhole(const RawResponse& response, const Replica* replica = nullptr) {
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_TRUE(response.complete);
    EXPECT_TRUE(response.body.ends_with(kDone)) << response.body;
    EXPECT_EQ(response.body.find("\"error\""), std::string::npos) << response.body;
    if (replica == nullptr) return;
    EXPECT_NE(response.body.find("\"model\":\"" + replica->name()), std::string::npos);
  }

  std::string nginx_;
  TemporaryDirectory base_;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::unique_ptr<Program> proxy_;
};

TEST_F(Nginx, TakesTheConfiguration) {
  WriteConfig("127.0.0.1:1", "127.0.0.1:2");
  Program check(Command({"-t"}));
  EXPECT_EQ(check.Wait(), 0) << check.text();
  EXPECT_EQ(check.text().find("[warn]"), std::string::npos) << check.text();
}

TEST_F(Nginx, PassesEachPieceOnWhenItIsThere) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  Ask ask = Stream(300, 4);
  Replica* server = ServerOf(ask);
  ASSERT_NE(server, nullptr);
  server->program().Signal(SIGSTOP);  // what it has not made yet cannot have been waited for
  EXPECT_EQ(ask.client().input().find(kDone), std::string::npos);
  EXPECT_NE(ask.client().input().find("text/event-stream"), std::string::npos);
  server->program().Signal(SIGCONT);
  ExpectWhole(ask.Answer(), server);
}

TEST_F(Nginx, SharesWorkAndNamesIt) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  std::map<std::string, int> num_by_replica;
  for (int i = 0; i < 6; ++i) {
    const json ask = {{"prompt", "Once"}, {"max_tokens", 4}};
    const RawResponse response = AskFor(port_, ask, "X-Request-Id: trip-7\r\n").Answer();
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.Header("x-request-id"), "trip-7");
    ++num_by_replica[json::parse(response.body)["model"]];
  }
  EXPECT_GT(num_by_replica["one"], 0);
  EXPECT_GT(num_by_replica["two"], 0);
  const std::string given(Ask(port_, "GET /v1/models").Answer().Header("x-request-id"));
  EXPECT_EQ(given.size(), 32u) << "nginx's own, not the replica's: " << given;
  ASSERT_TRUE(Eventually([this] { return AccessLog().size() == 7; }));
  const std::vector<json> log = AccessLog();
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(log[i]["id"], "trip-7");
    EXPECT_EQ(log[i]["status"], 200);
    EXPECT_EQ(log[i]["upstream_status"], "200");
    EXPECT_GT(std::stod(log[i]["upstream_seconds"].get<std::string>()), 0.0);
  }
  EXPECT_EQ(log.back()["id"], given);
}

TEST_F(Nginx, KeepsTheInsideInsideAndErrorsInTheApisForm) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  for (const char* path : {"/metrics", "/Metrics", "//metrics", "/x/../metrics", "/%6detrics",
                           "/metrics/", "/dashboard", "/dashboard/data"}) {
    const RawResponse response = Ask(port_, std::string("GET ") + path).Answer();
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(json::parse(response.body)["error"]["code"], "not_found") << path;
  }
  EXPECT_EQ(Ask(port_, "GET /ready").Answer().status, 200);
  EXPECT_EQ(Ask(port_, "GET /").Answer().status, 200) << "the chat page";

  // Its size is told before it is sent.
  const RawResponse large =
      Ask(port_, "POST /v1/completions", "Content-Length: 8388609\r\n").Answer();
  EXPECT_EQ(large.status, 413);
  EXPECT_TRUE(json::parse(large.body).contains("error"));
  const RawResponse head =
      Ask(port_, "GET /ready", "X-Long: " + std::string(7000, 'a') + "\r\n").Answer();
  EXPECT_EQ(head.status, 400);
  EXPECT_TRUE(json::parse(head.body).contains("error"));
  // As large as nginx takes it, and so does the replica, with what nginx adds.
  const std::string line = std::string(5900, 'a') + "\r\n";
  EXPECT_EQ(Ask(port_, "GET /ready", "X-A: " + line + "X-B: " + line).Answer().status, 200);
  // Larger than what nginx keeps in memory.
  const json wide = {{"prompt", "a"}, {"max_tokens", 1}, {"user", std::string(3 << 20, 'a')}};
  EXPECT_EQ(AskFor(port_, wide).Answer().status, 200) << ErrorLog();
}

// Two requests run and two wait, one of each at each replica.
TEST_F(Nginx, LosesNothingWhenAReplicaIsToldToStop) {
  ASSERT_NO_FATAL_FAILURE(StartAll({"--max-num-seqs=1"}));
  std::vector<Ask> asks;
  for (int i = 0; i < 4; ++i) {
    asks.push_back(Stream(300));
    const auto num_accepted = [this] {
      return replicas_[0]->Metric("tandem_requests_accepted_total") +
             replicas_[1]->Metric("tandem_requests_accepted_total");
    };
    ASSERT_TRUE(Eventually([&] { return num_accepted() == i + 1; }));
  }
  Replica* stopping = ServerOf(asks[0]);
  ASSERT_NE(stopping, nullptr);
  stopping->program().Signal(SIGTERM);
  for (int i = 0; i < 4; ++i) asks.push_back(Short());
  for (Ask& ask : asks) ExpectWhole(ask.Answer());
  EXPECT_EQ(stopping->program().Wait(), 0) << stopping->program().text();
  for (int i = 0; i < 4; ++i) ExpectWhole(Short().Answer(), &Other(*stopping));
}

// What still waited had no byte of an answer: it gets 503, and nginx asks the other replica.
TEST_F(Nginx, AsksTheOtherReplicaForWhatADrainCutOff) {
  ASSERT_NO_FATAL_FAILURE(StartAll({"--max-num-seqs=1", "--drain-timeout=0s"}));
  Ask first = Stream(900, 8);  // longer than this test
  Replica* stopping = ServerOf(first);
  ASSERT_NE(stopping, nullptr);
  const Replica& other = Other(*stopping);
  std::optional<Ask> second = Stream(900, 8);
  ASSERT_EQ(ServerOf(*second), &other);
  Ask third = Short();
  Ask fourth = Short();  // one of them at each replica, behind the long ones
  for (const auto& replica : replicas_) {
    ASSERT_TRUE(Eventually([&] { return replica->Metric("tandem_requests_accepted_total") == 9; }));
  }
  second.reset();  // leaves, and makes room
  stopping->program().Signal(SIGTERM);
  ExpectWhole(third.Answer(), &other);
  ExpectWhole(fourth.Answer(), &other);
  const RawResponse cut = first.Answer();
  EXPECT_EQ(cut.body.find(kDone), std::string::npos);
  EXPECT_NE(cut.body.find("\"code\":\"overloaded\""), std::string::npos) << "the stream tells";
}

TEST_F(Nginx, AsksTheOtherReplicaOnlyForWhatHadNoByteYet) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  Ask begun = Stream(900, 8);
  Replica* dead = ServerOf(begun);
  ASSERT_NE(dead, nullptr);
  // From now on they take connections and say nothing, so the requests are shared out evenly.
  dead->program().Signal(SIGSTOP);
  Other(*dead).program().Signal(SIGSTOP);
  std::vector<Ask> asks;
  for (int i = 0; i < 6; ++i) asks.push_back(Short());
  EXPECT_EQ(Ask(port_, "GET /metrics").Answer().status, 404) << "nginx itself goes on";
  Other(*dead).program().Signal(SIGCONT);
  dead->program().Signal(SIGKILL);
  for (Ask& ask : asks) ExpectWhole(ask.Answer(), &Other(*dead));
  const RawResponse cut = begun.Answer();
  EXPECT_EQ(cut.status, 200);
  EXPECT_FALSE(cut.complete) << "the end of the last chunk is missing";
  EXPECT_EQ(cut.body.find(kDone), std::string::npos);

  ASSERT_TRUE(Eventually([this] { return AccessLog().size() == 8; }));
  int num_asked_twice = 0;
  for (const json& line : AccessLog()) {
    const std::string upstream = line["upstream"];
    num_asked_twice += upstream == dead->address() + ", " + Other(*dead).address();
  }
  EXPECT_GT(num_asked_twice, 0);
}

TEST_F(Nginx, SaysThatNobodyIsThere) {
  const std::string nobody = "127.0.0.1:" + std::to_string(FreePort());
  ASSERT_NO_FATAL_FAILURE(StartNginx(nobody, nobody));
  const RawResponse response = AskFor(port_, {{"prompt", "a"}}, "X-Request-Id: lost\r\n").Answer();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.Header("retry-after"), "5");
  EXPECT_EQ(response.Header("x-request-id"), "lost");
  EXPECT_EQ(json::parse(response.body)["error"]["code"], "overloaded");
}

}  // namespace
}  // namespace tandem
