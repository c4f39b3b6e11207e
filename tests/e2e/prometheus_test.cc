// docker/prometheus and docker/grafana against running servers: every metric that alerts, board and
// autoscaler ask for is there, and a real Prometheus scrapes it. Skipped aloud without Prometheus.

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/e2e/replicas.h"

namespace tandem {
namespace {

using nlohmann::json;

const std::string kRules = TANDEM_SOURCE_DIR "/docker/prometheus/rules.yml";

struct Outcome {
  int status = 0;
  std::string text;
};

Outcome Execute(const std::vector<std::string>& command) {
  Program program(command);
  const int status = program.Wait();
  return {status, program.text()};
}

// Names of metrics in a PromQL expression: of ours, recorded ones included.
std::set<std::string> MetricsIn(const std::string& expression) {
  std::set<std::string> names;
  std::string name;
  for (const char c : expression + " ") {
    if (IsWordCharacter(c) || c == ':') {
      name.push_back(c);
      continue;
    }
    if (name.find("tandem_") != name.npos) names.insert(name);
    name.clear();
  }
  return names;
}

void Add(const std::string& expression, std::set<std::string>& names) {
  names.merge(MetricsIn(expression));
}

std::set<std::string> MetricsOfRules() {
  std::set<std::string> names;
  std::set<std::string> recorded;
  for (const YAML::Node& group : YAML::LoadFile(kRules)["groups"]) {
    for (const YAML::Node& rule : group["rules"]) {
      Add(rule["expr"].as<std::string>(), names);
      if (rule["record"]) recorded.insert(rule["record"].as<std::string>());
    }
  }
  for (const std::string& name : recorded) EXPECT_EQ(names.erase(name), 1u) << name << " is unused";
  return names;
}

std::set<std::string> MetricsOfBoard() {
  std::set<std::string> names;
  const json board = json::parse(ReadText(kDocker / "grafana/boards/tandem.json"));
  for (const json& panel : board["panels"]) {
    if (panel["type"] == "row") continue;
    for (const json& target : panel["targets"]) Add(target["expr"], names);
  }
  return names;
}

std::set<std::string> MetricsOfAdapter() {
  std::set<std::string> names;
  const YAML::Node values = YAML::LoadFile(kDocker / "kubernetes/monitoring/adapter_values.yaml");
  for (const YAML::Node& rule : values["rules"]["custom"]) {
    Add(rule["seriesQuery"].as<std::string>(), names);
  }
  return names;
}

// Names of all series, those of a histogram too.
std::set<std::string> SeriesIn(const std::string& metrics) {
  std::set<std::string> names;
  for (const std::string& line : SplitLines(metrics)) {
    if (!line.starts_with("#")) names.insert(line.substr(0, line.find_first_of(" {")));
  }
  return names;
}

void AskOnce(const Replica& replica) {
  const RawResponse response =
      AskFor(replica.port(), {{"prompt", "Once"}, {"max_tokens", 4}}).Answer();
  ASSERT_EQ(response.status, 200) << response.body;
}

TEST(Metrics, AreThereForEachQuestionAsked) {
  const Replica replica("one");
  AskOnce(replica);
  ASSERT_TRUE(Eventually(
      [&] { return replica.Metrics().find("tandem_http_requests_total{") != std::string::npos; }));
  const std::set<std::string> series = SeriesIn(replica.Metrics());
  const std::map<std::string, std::set<std::string>> asked = {
      {"rules", MetricsOfRules()}, {"board", MetricsOfBoard()}, {"adapter", MetricsOfAdapter()}};
  for (const auto& [by, names] : asked) {
    EXPECT_GE(names.size(), 2u) << by;
    for (const std::string& name : names) {
      EXPECT_TRUE(series.contains(name)) << by << " ask for " << name;
    }
  }
}

TEST(Metrics, AreFoundInExpressions) {
  EXPECT_EQ(MetricsIn("sum by (le) (rate(tandem_a_bucket{tandem=\"x\"}[5m])) / job:tandem_b:p95"),
            (std::set<std::string>{"tandem_a_bucket", "job:tandem_b:p95"}));
}

TEST(Board, AsksTheProvisionedDatasourceInPanelsThatDoNotOverlap) {
  const YAML::Node sources =
      YAML::LoadFile(kDocker / "grafana/provisioning/datasources/prometheus.yaml");
  const std::string uid = sources["datasources"][0]["uid"].as<std::string>();
  const json board = json::parse(ReadText(kDocker / "grafana/boards/tandem.json"));
  std::set<int> ids;
  std::set<std::pair<int, int>> taken;
  for (const json& panel : board["panels"]) {
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second) << panel["id"];
    const json& place = panel["gridPos"];
    for (int y = place["y"]; y < place["y"].get<int>() + place["h"].get<int>(); ++y) {
      for (int x = place["x"]; x < place["x"].get<int>() + place["w"].get<int>(); ++x) {
        EXPECT_TRUE(x < 24 && taken.insert({x, y}).second) << panel["title"];
      }
    }
    if (panel["type"] == "row") continue;
    EXPECT_EQ(panel["datasource"]["uid"], uid) << panel["title"];
  }
}

class Prometheus : public ::testing::Test {
 protected:
  void SetUp() override {
    prometheus_ = FindProgram("prometheus");
    promtool_ = FindProgram("promtool");
    if (prometheus_.empty() || promtool_.empty()) {
      GTEST_SKIP() << "SKIPPED: Prometheus is not installed (Debian: prometheus)";
    }
  }

  // The shipped files, with two things of this machine's: addresses and where the key is.
  void WriteConfig(const std::string& first, const std::string& second) {
    std::string text = ReadText(kDocker / "prometheus/prometheus.yml");
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"tandem-1:8000", first},
             {"tandem-2:8000", second},
             {"/run/secrets/metrics_key", base_.Write("key", kReplicaKey)},
             {"localhost:9090", "127.0.0.1:" + std::to_string(port_)},
             {"_interval: 15s", "_interval: 1s"}}) {
      EXPECT_NE(text.find(from), text.npos) << from;
      text = Replaced(text, from, to);
    }
    base_.Write("prometheus.yml", text);
    base_.Write("rules.yml", ReadText(kRules));
  }
  // What a query gives: the value by instance.
  std::map<std::string, std::string> Query(const std::string& expression) const {
    const std::string body = Ask(port_, "GET /api/v1/query?query=" + expression).Answer().body;
    std::map<std::string, std::string> values;
    const json answer = json::parse(body, nullptr, false);
    if (answer.is_discarded() || answer["status"] != "success") return values;
    for (const json& row : answer["data"]["result"]) {
      values[row["metric"].value("instance", "")] = row["value"][1];
    }
    return values;
  }

  std::string prometheus_;
  std::string promtool_;
  TemporaryDirectory base_;
  uint16_t port_ = FreePort();
};

TEST_F(Prometheus, TakesConfigurationAndRules) {
  WriteConfig("127.0.0.1:1", "127.0.0.1:2");
  const Outcome config = Execute({promtool_, "check", "config", base_ / "prometheus.yml"});
  EXPECT_EQ(config.status, 0) << config.text;
  const Outcome rules = Execute({promtool_, "check", "rules", kRules});
  EXPECT_EQ(rules.status, 0) << rules.text;
}

TEST_F(Prometheus, FiresEachAlertOnItsConditionAndNotBefore) {
  const Outcome tests =
      Execute({promtool_, "test", "rules", kDocker / "prometheus/rules_test.yml"});
  EXPECT_EQ(tests.status, 0) << tests.text;
  const std::string text = ReadText(kDocker / "prometheus/rules_test.yml");
  for (const YAML::Node& group : YAML::LoadFile(kRules)["groups"]) {
    for (const YAML::Node& rule : group["rules"]) {
      if (!rule["alert"]) continue;
      const std::string name = rule["alert"].as<std::string>();
      EXPECT_NE(text.find("alertname: " + name + "\n"), text.npos) << name << " has no test";
    }
  }
}

TEST_F(Prometheus, ScrapesTwoReplicas) {
  const Replica one("one"), two("two");
  for (const Replica* replica : {&one, &two}) {
    ASSERT_NO_FATAL_FAILURE(AskOnce(*replica));
    base_.Write("metrics", replica->Metrics());
    const std::string command = promtool_ + " check metrics < " + (base_ / "metrics").string();
    const Outcome check = Execute({"/bin/sh", "-c", command});
    EXPECT_EQ(check.status, 0) << check.text;
  }
  WriteConfig(one.address(), two.address());
  Program prometheus({prometheus_, "--config.file=" + (base_ / "prometheus.yml").string(),
                      "--storage.tsdb.path=" + (base_ / "data").string(),
                      "--web.listen-address=127.0.0.1:" + std::to_string(port_)});
  using Values = std::map<std::string, std::string>;
  const auto expect = [&](const std::string& query, const std::string& value) {
    const Values wanted = {{one.address(), value}, {two.address(), value}};
    EXPECT_TRUE(Eventually([&] { return Query(query) == wanted; }))
        << query << ": " << json(Query(query)).dump() << prometheus.text();
  };
  expect("up{job=\"tandem\"}", "1");
  expect("tandem_requests_finished_total", "1");
  prometheus.Signal(SIGTERM);
  EXPECT_EQ(prometheus.Wait(), 0) << prometheus.text();
}

}  // namespace
}  // namespace tandem
