#include "api/cli/serve_options.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "api/cli/serve_access.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

ServeOptions Parse(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& variables = {}) {
  ServeOptions options;
  Settings settings("tandem serve", "Serves.");
  AddServeSettings(settings, options);
  settings.Parse({.arguments = arguments, .variables = variables});
  return options;
}

TEST(ServeOptions, ListenOnLoopbackByDefault) {
  const ServeOptions options = Parse({});
  EXPECT_EQ(options.host, "127.0.0.1");
  EXPECT_EQ(options.port, 8000);
  EXPECT_TRUE(options.prefix_caching);
  EXPECT_FALSE(options.model.dtype);
  EXPECT_EQ(MakeLimits(options).max_body_bytes, size_t{8} << 20);
}

TEST(ServeOptions, ReadFlagsAndVariables) {
  const ServeOptions options =
      Parse({"--model", "dir", "--dtype", "bfloat16", "--kv-cache-memory", "1GiB",
             "--no-enable-prefix-caching", "--served-model-name", "a", "--served-model-name", "b",
             "--max-body-size", "1MiB", "--write-timeout", "5s", "--cpu-isa", "avx2"},
            {{"TANDEM_PORT", "9000"}, {"TANDEM_API_KEY", "secret"}});
  EXPECT_EQ(options.model.model, "dir");
  EXPECT_EQ(options.model.dtype, DType::kBf16);
  EXPECT_EQ(options.model.kv_cache_memory, int64_t{1} << 30);
  EXPECT_FALSE(options.prefix_caching);
  EXPECT_EQ(options.served_model_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(MakeLimits(options).max_body_bytes, size_t{1} << 20);
  EXPECT_EQ(MakeLimits(options).write_timeout, std::chrono::seconds(5));
  EXPECT_EQ(options.model.cpu_isa, InstructionSet::kAvx2);
  EXPECT_EQ(options.port, 9000);
  EXPECT_EQ(CollectApiKeys(options), std::vector<std::string>{"secret"});
}

TEST(ServeOptions, SayWhetherStepsAreRecorded) {
  const std::vector<std::string> model = {"--model", "dir",      "--dtype",
                                          "float32", "--device", "cpu"};
  EXPECT_TRUE(RunnerOptions(Parse(model).model, "dir").record_steps);
  std::vector<std::string> eager = model;
  eager.push_back("--enforce-eager");
  EXPECT_FALSE(RunnerOptions(Parse(eager).model, "dir").record_steps);
}

TEST(ServeOptions, RefuseUnknownAndWrongValues) {
  EXPECT_THROW(Parse({"--prot", "1"}), ConfigError);
  EXPECT_THROW(Parse({"--port", "70000"}), ConfigError);
  EXPECT_THROW(Parse({"--dtype", "int3"}), ConfigError);
  EXPECT_THROW(Parse({"--max-num-seqs", "0"}), ConfigError);
}

TEST(ServeOptions, NeedAKeyForOtherMachines) {
  ServeOptions options = Parse({"--host", "0.0.0.0"});
  EXPECT_THROW(CheckExposure(options, {}), ConfigError);
  CheckExposure(options, {"key"});
  options.allow_unauthenticated = true;
  CheckExposure(options, {});
  for (const char* host : {"127.0.0.1", "127.9.9.9", "localhost", "::1"}) {
    EXPECT_TRUE(IsLoopbackName(host)) << host;
  }
  for (const char* host : {"127.evil.example", "0.0.0.0", "::", "10.0.0.1", ""}) {
    EXPECT_FALSE(IsLoopbackName(host)) << host;
  }
}

TEST(ServeOptions, GuardAgainstForeignPagesWhereNoKeyIsNeeded) {
  const HttpRequest foreign{.method = "GET", .path = "/", .headers = {{"Host", "evil.example"}}};
  const auto refuses = [&](const std::vector<std::string>& arguments,
                           const std::vector<std::string>& keys) {
    return MakeAccessRules(Parse(arguments), keys).browsers.Refusal(foreign).has_value();
  };
  EXPECT_TRUE(refuses({}, {}));
  EXPECT_TRUE(refuses({"--host", "::1", "--allowed-hosts", "gpu.example"}, {}));
  EXPECT_FALSE(refuses({"--allowed-hosts", "evil.example"}, {}));
  EXPECT_FALSE(refuses({}, {"key"})) << "a page does not have the key";
  EXPECT_FALSE(refuses({"--host", "0.0.0.0"}, {})) << "whose names nobody knows";
  EXPECT_TRUE(refuses({"--host", "0.0.0.0", "--allowed-hosts", "gpu.example"}, {}));
  EXPECT_FALSE(refuses({"--uds", "socket"}, {})) << "out of a browser's reach";
}

TEST(ServeOptions, NeedNoKeyOnAUnixSocket) {
  CheckExposure(Parse({"--host", "0.0.0.0", "--uds", "socket"}), {});
}

TEST(ServeOptions, GiveTlsFilesTogether) {
  EXPECT_EQ(LoadTls(Parse({})), nullptr);
  EXPECT_THROW(LoadTls(Parse({"--ssl-keyfile", "key.pem"})), ConfigError);
  EXPECT_THROW(LoadTls(Parse({"--ssl-certfile", "/nonexistent"})), ConfigError);
  const ServeOptions secret = Parse({}, {{"TANDEM_SSL_KEYFILE_PASSWORD", "swordfish"}});
  EXPECT_EQ(secret.ssl_keyfile_password, "swordfish");
}

TEST(ServeOptions, KeepTimesAndSizesInRange) {
  EXPECT_THROW(Parse({"--idle-timeout", "1000000h"}), ConfigError);
  EXPECT_THROW(Parse({"--max-body-size", "1TiB"}), ConfigError);
  EXPECT_THROW(Parse({"--max-connections", "10000000"}), ConfigError);
}

TEST(ServeOptions, SlowUrgentRequestsDownByAFactor) {
  for (const char* factor : {"0", "1", "1.2", "1000"}) {
    CheckSchedulingSettings(Parse({"--priority-slowdown", factor}));
  }
  for (const char* factor : {"0.2", "0.99"}) {
    EXPECT_THROW(CheckSchedulingSettings(Parse({"--priority-slowdown", factor})), ConfigError);
  }
}

TEST(ServeOptions, SetTheCircuitBreaker) {
  const BreakerOptions usual = Parse({}).breaker;
  EXPECT_EQ(usual.threshold, 0.1);
  const ServeOptions options =
      Parse({"--breaker-threshold", "0.5", "--breaker-window", "1m", "--breaker-min-requests", "7",
             "--breaker-open-time", "500ms", "--breaker-max-open-time", "2s", "--breaker-probes",
             "1", "--degraded-answer", "Come back later.", "--degraded-cache", "4MiB"},
            {{"TANDEM_GIVE_UP_AFTER", "5s"}});
  CheckFailureSettings(options);
  EXPECT_EQ(options.breaker.threshold, 0.5);
  EXPECT_EQ(options.breaker.window, std::chrono::minutes(1));
  EXPECT_EQ(options.breaker.min_requests, 7);
  EXPECT_EQ(options.breaker.open_time, std::chrono::milliseconds(500));
  EXPECT_EQ(options.breaker.max_open_time, std::chrono::seconds(2));
  EXPECT_EQ(options.breaker.num_probes, 1);
  EXPECT_EQ(options.degraded_answer, "Come back later.");
  EXPECT_EQ(options.degraded_cache_bytes, 4 << 20);
  EXPECT_EQ(options.give_up_after, std::chrono::seconds(5));
  EXPECT_THROW(Parse({"--breaker-threshold", "1.5"}), ConfigError);
  EXPECT_THROW(Parse({"--breaker-probes", "0"}), ConfigError);
}

TEST(ServeOptions, RefuseACircuitBreakerThatContradictsItself) {
  CheckFailureSettings(Parse({}));
  const std::vector<std::string> wrong[] = {
      {"--breaker-open-time", "10m"},
      {"--degraded-answer", ""},
      {"--fail-steps", "often"},
      {"--degraded-answer", "\xff"},
      {"--degraded-answer", "sorry", "--breaker-threshold", "0"},
      {"--degraded-cache", "1MiB", "--breaker-threshold", "0"},
  };
  for (const auto& arguments : wrong) {
    EXPECT_THROW(CheckFailureSettings(Parse(arguments)), ConfigError) << arguments[1];
  }
}

TEST(ServeOptions, ReadKeysFromAFile) {
  const auto path = std::filesystem::temp_directory_path() / "tandem_serve_options_keys";
  std::ofstream(path) << "one\r\n\ntwo \n";
  ServeOptions options = Parse({"--api-key", "zero", "--api-key-file", path.string()});
  EXPECT_EQ(CollectApiKeys(options), (std::vector<std::string>{"zero", "one", "two"}));
  std::ofstream(path) << "\n";
  EXPECT_THROW(CollectApiKeys(options), ConfigError);
  std::filesystem::remove(path);
  EXPECT_THROW(CollectApiKeys(options), ConfigError);
}

TEST(ModelOptions, SayHowToGiveAModel) {
  ModelOptions options;
  options.model = "/nonexistent/model";
  EXPECT_THROW(FindModelDirectory(options), ConfigError);
}

}  // namespace
}  // namespace tandem
