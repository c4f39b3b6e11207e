// What docker/ says about a container agrees with itself, with the other files and with `tandem
// serve`: compose.yaml, the Dockerfile, the Kubernetes manifests. No container is run.

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "api/cli/serve_options.h"
#include "engine/base/settings.h"
#include "kernels/core/error.h"
#include "tests/e2e/replicas.h"

namespace tandem {
namespace {

// After SIGTERM the server may take --drain-timeout, and then 5 s for answers that are being read.
constexpr int kFlushSeconds = 5;

// What `tandem serve` makes of these arguments, or what it says against them.
ServeOptions Parsed(const std::vector<std::string>& arguments) {
  ServeOptions options;
  Settings settings("tandem serve", "");
  AddServeSettings(settings, options);
  try {
    settings.Parse({.arguments = arguments, .variables = {}});
  } catch (const ConfigError& error) {
    ADD_FAILURE() << error.what();
  }
  return options;
}

int Seconds(std::chrono::milliseconds time) { return static_cast<int>(time.count() / 1000); }

std::vector<std::string> Words(const YAML::Node& list) {
  return list.as<std::vector<std::string>>();
}

// yaml-cpp leaves merge keys alone.
YAML::Node Merged(const YAML::Node& map) {
  YAML::Node merged(YAML::NodeType::Map);
  if (map["<<"]) merged = Merged(map["<<"]);
  for (const auto& item : map) {
    const std::string key = item.first.as<std::string>();
    if (key != "<<") merged[key] = item.second;
  }
  return merged;
}

class Compose : public ::testing::Test {
 protected:
  YAML::Node Service(const std::string& name) const { return Merged(file_["services"][name]); }

  YAML::Node file_ = YAML::LoadFile(kDocker / "compose.yaml");
};

TEST_F(Compose, ReplicasTakeTheirSettingsAndHaveTimeToDrain) {
  for (const char* name : {"tandem-1", "tandem-2"}) {
    const YAML::Node service = Service(name);
    std::vector<std::string> command = Words(service["command"]);
    ASSERT_EQ(command.front(), "serve");
    command.erase(command.begin());
    const ServeOptions options = Parsed(command);
    ASSERT_TRUE(options.api_key_file);
    EXPECT_EQ(options.api_key_file->parent_path(), "/run/secrets");
    EXPECT_EQ(Words(service["secrets"]),
              std::vector<std::string>{options.api_key_file->filename().string()});
    EXPECT_GT(std::stoi(service["stop_grace_period"].as<std::string>()),
              Seconds(options.drain_timeout) + kFlushSeconds);
  }
}

TEST_F(Compose, EveryServiceIsConfinedAndRestarts) {
  for (const auto& item : file_["services"]) {
    const std::string name = item.first.as<std::string>();
    const YAML::Node service = Service(name);
    EXPECT_TRUE(service["read_only"].as<bool>()) << name;
    EXPECT_EQ(Words(service["cap_drop"]), std::vector<std::string>{"ALL"}) << name;
    EXPECT_EQ(Words(service["security_opt"]), std::vector<std::string>{"no-new-privileges:true"});
    EXPECT_EQ(service["restart"].as<std::string>(), "unless-stopped") << name;
    EXPECT_TRUE(service["deploy"]["resources"]["limits"]["memory"]) << name;
    // The Dockerfile has that of the replicas.
    EXPECT_TRUE(service["healthcheck"] || service["build"]) << name;
    if (!service["ports"]) continue;
    for (const std::string& port : Words(service["ports"])) {
      EXPECT_NE(port.find("127.0.0.1:"), port.npos) << name << " is open to the network: " << port;
    }
  }
}

TEST_F(Compose, MountsWhatIsThere) {
  int num_files = 0;
  for (const auto& item : file_["services"]) {
    const YAML::Node service = Service(item.first.as<std::string>());
    for (const YAML::Node& secret : service["secrets"]) {
      EXPECT_TRUE(file_["secrets"][secret.as<std::string>()]) << secret;
    }
    for (const YAML::Node& volume : service["volumes"]) {
      const std::string text = volume.as<std::string>();
      const std::string source = text.substr(0, text.find(':'));
      if (!source.starts_with(".")) {
        EXPECT_TRUE(file_["volumes"][source].IsDefined()) << source;
        continue;
      }
      ++num_files;
      EXPECT_TRUE(std::filesystem::exists(kDocker / source)) << source;
      EXPECT_TRUE(text.ends_with(":ro")) << text;
    }
  }
  EXPECT_GE(num_files, 5);
}

TEST_F(Compose, GivesNginxExactlyTheVariablesOfItsTemplate) {
  std::set<std::string> used;
  const std::string text = ReadText(kDocker / "nginx/nginx.conf.template");
  for (size_t at = text.find("${"); at != text.npos; at = text.find("${", at + 2)) {
    used.insert(text.substr(at + 2, text.find('}', at) - at - 2));
  }
  std::set<std::string> given;
  for (const auto& item : Service("nginx")["environment"]) {
    const std::string name = item.first.as<std::string>();
    if (name.starts_with("PROXY_")) given.insert(name);
  }
  EXPECT_EQ(used, given);
  const YAML::Node environment = Service("nginx")["environment"];
  const std::string scrape = ReadText(kDocker / "prometheus/prometheus.yml");
  for (const char* variable : {"PROXY_REPLICA_1", "PROXY_REPLICA_2"}) {
    const std::string replica = environment[variable].as<std::string>();
    const std::string address = replica.substr(0, replica.find(' '));
    EXPECT_TRUE(file_["services"][address.substr(0, address.find(':'))]) << address;
    EXPECT_NE(scrape.find(address), scrape.npos) << address;
  }
}

const std::vector<std::string>& Dockerfiles() {
  static const std::vector<std::string> names = {"Dockerfile.cpu", "Dockerfile.cuda"};
  return names;
}

class EveryDockerfile : public ::testing::TestWithParam<std::string> {
 protected:
  // Instructions of the stage that ends up as the image, a line each; without comments, and without
  // FROM.
  static std::vector<std::string> Runtime(const std::string& name) {
    std::vector<std::string> lines;
    for (const std::string& line : SplitLines(ReadText(kDocker / name))) {
      if (line.starts_with("FROM ")) {
        lines.clear();
      } else if (!line.empty() && !line.starts_with("#")) {
        lines.push_back(line);
      }
    }
    return lines;
  }
};

INSTANTIATE_TEST_SUITE_P(Docker, EveryDockerfile, ::testing::ValuesIn(Dockerfiles()),
                         [](const auto& test) {
                           return test.param.substr(test.param.find('.') + 1);
                         });

TEST_P(EveryDockerfile, CopiesWhatTheCheckoutHasAndTheIgnoreFileLeaves) {
  const std::string ignored = ReadText(kDocker.parent_path() / ".dockerignore");
  int num_copied = 0;
  for (const std::string& line : SplitLines(ReadText(kDocker / GetParam()))) {
    if (!line.starts_with("COPY ") || line.starts_with("COPY --from")) continue;
    std::istringstream words(line.substr(5));
    std::string source;
    words >> source;
    ++num_copied;
    EXPECT_TRUE(std::filesystem::exists(kDocker.parent_path() / source)) << source;
    if (source.starts_with("docker/")) {
      EXPECT_NE(ignored.find("\n!" + source + "\n"), ignored.npos) << source;
    }
  }
  EXPECT_GE(num_copied, 3);
  EXPECT_NE(ignored.find("\n!docker/runtime_packages\n"), ignored.npos);
}

// What the build needs is the launcher's list, what runs is the programs'.
TEST_P(EveryDockerfile, InstallsNoPackageByName) {
  const std::string text = ReadText(kDocker / GetParam());
  int num_lists = 0;
  for (const std::string& line : SplitLines(text)) {
    const size_t at = line.find("apt-get install");
    if (at == line.npos) continue;
    ++num_lists;
    const std::string list =
        num_lists == 1 ? "$(./tandem packages)" : "$(cat /opt/tandem/runtime_packages)";
    EXPECT_EQ(line.substr(at), "apt-get install -y --no-install-recommends " + list + " \\");
  }
  EXPECT_EQ(num_lists, 2);
  EXPECT_NE(text.find("docker/runtime_packages /opt/tandem/bin/* > /opt/tandem/runtime_packages"),
            text.npos);
}

TEST_P(EveryDockerfile, EndsInTheSameImage) {
  std::vector<std::string> lines = Runtime(GetParam());
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("ENV NVIDIA_"); });
  EXPECT_EQ(lines, Runtime("Dockerfile.cpu"));
}

TEST(Dockerfile, BuildsTheCudaPresetWithTheOldestCudaThatIsTaken) {
  const std::string text = ReadText(kDocker / "Dockerfile.cuda");
  EXPECT_NE(text.find("\nFROM nvidia/cuda:13.0."), text.npos);
  EXPECT_NE(text.find("cmake --preset cuda "), text.npos);
  EXPECT_NE(text.find("cmake --build --preset cuda "), text.npos);
  EXPECT_NE(text.find("cmake --install build/cuda "), text.npos);
  const std::string build = ReadText(kDocker.parent_path() / "CMakeLists.txt");
  EXPECT_NE(build.find("find_package(CUDAToolkit 13.0 "), build.npos);
}

// Ubuntu 24.04 has a newer Boost than bookworm, under the name without a version.
TEST(Dockerfile, PackagesAreThoseOfTheRelease) {
  const auto packages = [](const std::string& boost) {
    const TemporaryDirectory tools;
    std::filesystem::permissions(
        tools.Write("apt-cache", "#!/bin/sh\ntest \"$2\" = " + boost + "\n"),
        std::filesystem::perms::owner_all);
    Program launcher({"/usr/bin/env", "PATH=" + tools.path().string() + ":/usr/bin:/bin",
                      (kDocker.parent_path() / "tandem").string(), "packages"});
    EXPECT_EQ(launcher.Wait(), 0);
    return SplitLines(launcher.text());
  };
  const std::vector<std::string> debian = packages("libboost1.81-dev");
  std::vector<std::string> ubuntu = packages("libboost-dev");
  EXPECT_EQ(std::ranges::count(debian, "libboost1.81-dev"), 1);
  EXPECT_EQ(std::ranges::count(ubuntu, "libboost1.81-dev"), 0);
  std::ranges::replace(ubuntu, "libboost-dev", "libboost1.81-dev");
  EXPECT_EQ(ubuntu, debian);
}

TEST(Dockerfile, FindsTheLibrariesThatTheProgramsLoad) {
  if (FindProgram("dpkg-query").empty()) GTEST_SKIP() << "SKIPPED: no dpkg-query here";
  Program packages({kDocker / "runtime_packages", TANDEM_BUILD_DIR "/bin/tandem"});
  EXPECT_EQ(packages.Wait(), 0) << packages.text();
  for (const char* name : {"libc6\n", "libstdc++6\n", "libssl3"}) {
    EXPECT_NE(packages.text().find(name), std::string::npos) << name;
  }
}

TEST(Dockerfile, HealthcheckTellsReadyFromNot) {
  const auto check = [](const std::string& port) {
    Program program({"/usr/bin/env", "TANDEM_PORT=" + port, (kDocker / "healthcheck").string()});
    return program.Wait();
  };
  Replica replica("one");
  ASSERT_NE(replica.port(), 0);
  EXPECT_EQ(check(std::to_string(replica.port())), 0);
  replica.program().Signal(SIGTERM);
  EXPECT_EQ(replica.program().Wait(), 0);
  EXPECT_NE(check(std::to_string(replica.port())), 0);
}

class Kubernetes : public ::testing::Test {
 protected:
  static YAML::Node Manifest(const std::string& name) {
    return YAML::LoadFile(kDocker / "kubernetes" / name);
  }
  static std::map<std::string, std::string> Labels(const YAML::Node& node) {
    return node.as<std::map<std::string, std::string>>();
  }

  YAML::Node deployment_ = Manifest("deployment.yaml");
  YAML::Node template_ = deployment_["spec"]["template"];
  YAML::Node pod_ = template_["spec"];
  YAML::Node container_ = pod_["containers"][0];
  ServeOptions options_ = Parsed({"--config", (kDocker / "kubernetes/serve.yaml").string()});
};

TEST_F(Kubernetes, ListsEveryManifestButTheSecrets) {
  const YAML::Node list = Manifest("kustomization.yaml");
  std::set<std::string> listed = {"kustomization.yaml", "secret_template.yaml"};
  for (const YAML::Node& name : list["resources"]) listed.insert(name.as<std::string>());
  const YAML::Node config = list["configMapGenerator"][0];
  for (const YAML::Node& name : config["files"]) listed.insert(name.as<std::string>());
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(kDocker / "kubernetes")) {
    if (entry.path().extension() == ".yaml") there.insert(entry.path().filename());
  }
  EXPECT_EQ(listed, there);
  EXPECT_EQ(pod_["volumes"][0]["configMap"]["name"].as<std::string>(),
            config["name"].as<std::string>());
  for (const std::string& name : there) {
    const YAML::Node manifest = Manifest(name);
    if (name == "serve.yaml") continue;
    EXPECT_TRUE(manifest["apiVersion"] && manifest["kind"]) << name;
  }
}

TEST_F(Kubernetes, EverybodyMeansTheSamePods) {
  const auto labels = Labels(template_["metadata"]["labels"]);
  EXPECT_EQ(Labels(deployment_["spec"]["selector"]["matchLabels"]), labels);
  EXPECT_EQ(Labels(Manifest("service.yaml")["spec"]["selector"]), labels);
  EXPECT_EQ(Labels(Manifest("disruption_budget.yaml")["spec"]["selector"]["matchLabels"]), labels);
  EXPECT_EQ(Labels(Manifest("network_policy.yaml")["spec"]["podSelector"]["matchLabels"]), labels);
  EXPECT_EQ(Labels(Manifest("monitoring/pod_monitor.yaml")["spec"]["selector"]["matchLabels"]),
            labels);
  EXPECT_EQ(Labels(pod_["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]), labels);
  const YAML::Node scaled = Manifest("autoscaler.yaml")["spec"]["scaleTargetRef"];
  EXPECT_EQ(scaled["name"].as<std::string>(), deployment_["metadata"]["name"].as<std::string>());
  EXPECT_EQ(scaled["kind"].as<std::string>(), deployment_["kind"].as<std::string>());
}

TEST_F(Kubernetes, EverybodyMeansTheSamePort) {
  const YAML::Node port = container_["ports"][0];
  EXPECT_EQ(port["containerPort"].as<int>(), options_.port);
  const std::string name = port["name"].as<std::string>();
  for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    EXPECT_EQ(container_[probe]["httpGet"]["port"].as<std::string>(), name) << probe;
  }
  const YAML::Node service = Manifest("service.yaml")["spec"]["ports"][0];
  EXPECT_EQ(service["targetPort"].as<std::string>(), name);
  const YAML::Node rule = Manifest("network_policy.yaml")["spec"]["ingress"][0];
  EXPECT_EQ(rule["ports"][0]["port"].as<std::string>(), name);
  const YAML::Node monitor = Manifest("monitoring/pod_monitor.yaml")["spec"];
  EXPECT_EQ(monitor["podMetricsEndpoints"][0]["port"].as<std::string>(), name);
}

TEST_F(Kubernetes, ServesWithTheMountedKeysAndSettings) {
  CheckExposure(options_, {"a key"});
  EXPECT_EQ(options_.host, "0.0.0.0");
  const std::vector<std::string> arguments = Words(container_["args"]);
  const std::string config = container_["volumeMounts"][0]["mountPath"].as<std::string>();
  EXPECT_EQ(arguments, (std::vector<std::string>{"serve", "--config", config + "/serve.yaml"}));
  const YAML::Node secret = pod_["volumes"][1]["secret"];
  const std::string keys = container_["volumeMounts"][1]["mountPath"].as<std::string>();
  ASSERT_TRUE(options_.api_key_file);
  EXPECT_EQ(options_.api_key_file->string(),
            keys + "/" + secret["items"][0]["path"].as<std::string>());
  const YAML::Node wanted = Manifest("secret_template.yaml");
  EXPECT_EQ(wanted["metadata"]["name"].as<std::string>(), secret["secretName"].as<std::string>());
  EXPECT_TRUE(wanted["stringData"][secret["items"][0]["key"].as<std::string>()]);
  const YAML::Node monitor = Manifest("monitoring/pod_monitor.yaml")["spec"];
  const YAML::Node key = monitor["podMetricsEndpoints"][0]["authorization"]["credentials"];
  EXPECT_EQ(key["name"].as<std::string>(), secret["secretName"].as<std::string>());
  EXPECT_TRUE(wanted["stringData"][key["key"].as<std::string>()]);
}

TEST_F(Kubernetes, APodHasTimeToDrain) {
  const YAML::Node command = container_["lifecycle"]["preStop"]["exec"]["command"];
  ASSERT_EQ(command[0].as<std::string>(), "sleep");
  EXPECT_GT(pod_["terminationGracePeriodSeconds"].as<int>(),
            command[1].as<int>() + Seconds(options_.drain_timeout) + kFlushSeconds);
}

TEST_F(Kubernetes, APodIsConfined) {
  // A Service of this name would else set TANDEM_PORT, to something that is no port.
  EXPECT_FALSE(pod_["enableServiceLinks"].as<bool>());
  EXPECT_TRUE(pod_["securityContext"]["runAsNonRoot"].as<bool>());
  const std::string user = pod_["securityContext"]["runAsUser"].as<std::string>();
  for (const std::string& name : Dockerfiles()) {
    EXPECT_NE(ReadText(kDocker / name).find("USER " + user + ":"), std::string::npos) << name;
  }
  const YAML::Node context = container_["securityContext"];
  EXPECT_TRUE(context["readOnlyRootFilesystem"].as<bool>());
  EXPECT_FALSE(context["allowPrivilegeEscalation"].as<bool>());
  EXPECT_EQ(Words(context["capabilities"]["drop"]), std::vector<std::string>{"ALL"});
  EXPECT_TRUE(container_["resources"]["requests"]["cpu"]);
  EXPECT_TRUE(container_["resources"]["limits"]["memory"]);
}

TEST_F(Kubernetes, ProbesAskForRoutesThatNeedNoKey) {
  const Replica replica("one");
  for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    const std::string path = container_[probe]["httpGet"]["path"].as<std::string>();
    RawClient client(replica.port());
    client.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().status, 200) << path;
  }
}

TEST_F(Kubernetes, ScalesByMetricsThatTheAdapterMakes) {
  std::set<std::string> made;
  for (const YAML::Node& rule : Manifest("monitoring/adapter_values.yaml")["rules"]["custom"]) {
    made.insert(rule["name"]["as"].as<std::string>());
  }
  std::set<std::string> asked;
  for (const YAML::Node& metric : Manifest("autoscaler.yaml")["spec"]["metrics"]) {
    asked.insert(metric["pods"]["metric"]["name"].as<std::string>());
  }
  EXPECT_EQ(asked, made);
}

}  // namespace
}  // namespace tandem
