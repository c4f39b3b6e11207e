#include "engine/base/settings.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

enum class Where { kCpu, kCuda };

// One of each type, as a command would bind them.
struct Options {
  std::filesystem::path model;
  std::string host = "127.0.0.1";
  int32_t port = 8000;
  int64_t max_num_seqs = 64;
  std::optional<uint64_t> seed;
  bool prefix_caching = true;
  bool verbose = false;
  float memory = 0.9f;
  double top_p = 1.0;
  int64_t cache = int64_t{1} << 30;
  milliseconds timeout{30000};
  Where device = Where::kCpu;
  std::vector<std::string> lora;
  std::optional<std::string> api_key;
  std::optional<std::filesystem::path> chat_template;
};

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() : settings_("tandem serve", "Serves a model over HTTP.") {
    settings_.AddPositional("model", &options_.model,
                            {.help = "model directory", .required = true});
    settings_.Add("host", &options_.host, {.help = "address to bind", .group = "Network"});
    settings_.Add("port", &options_.port,
                  {.help = "TCP port", .min = 0, .max = 65535, .group = "Network"});
    settings_.Add("max-num-seqs", &options_.max_num_seqs, {.help = "sequences", .min = 1});
    settings_.Add("seed", &options_.seed, {.help = "seed"});
    settings_.Add("prefix-caching", &options_.prefix_caching, {.help = "share prefixes"});
    settings_.Add("verbose", &options_.verbose, {.help = "log more"});
    settings_.Add("memory", &options_.memory, {.help = "share", .max = 1, .above = 0});
    settings_.Add("top-p", &options_.top_p, {.help = "nucleus", .max = 1, .above = 0});
    settings_.AddBytes("cache", &options_.cache, {.help = "cache", .min = 1 << 20});
    settings_.Add("timeout", &options_.timeout, {.help = "limit", .min = 100});
    settings_.AddChoice<Where>("device", &options_.device,
                               {{"cpu", Where::kCpu}, {"cuda", Where::kCuda}}, {.help = "where"});
    settings_.Add("lora", &options_.lora, {.help = "adapters"});
    settings_.Add("api-key", &options_.api_key, {.help = "key", .secret = true});
    settings_.Add("chat-template", &options_.chat_template, {.help = "template"});
    settings_.IgnoreVariable("request-rate");
  }

  std::optional<std::string> Parse(std::vector<std::string> arguments,
                                   std::map<std::string, std::string> variables = {}) {
    return settings_.Parse({std::move(arguments), std::move(variables)});
  }
  std::string Error(std::vector<std::string> arguments,
                    std::map<std::string, std::string> variables = {}) {
    return MessageOf<ConfigError>([&] { Parse(std::move(arguments), std::move(variables)); });
  }
  std::string File(const std::string& content) {
    return directory_.Write("serve.yaml", content).string();
  }

  TemporaryDirectory directory_;
  Options options_;
  Settings settings_;
};

TEST_F(SettingsTest, KeepsDefaults) {
  EXPECT_EQ(Parse({"dir"}), std::nullopt);
  EXPECT_EQ(options_.model, "dir");
  EXPECT_EQ(options_.port, 8000);
  EXPECT_TRUE(options_.prefix_caching);
  EXPECT_FALSE(settings_.IsSet("port"));
  EXPECT_EQ(settings_.SourceOf("model"), SettingSource::kFlag);
}

TEST_F(SettingsTest, ReadsFlagsOfEveryType) {
  Parse({"--port=9000",
         "--host",
         "::1",
         "dir",
         "--max-num-seqs",
         "8",
         "--seed",
         "18446744073709551615",
         "--no-prefix-caching",
         "--verbose",
         "--memory",
         "0.5",
         "--top-p",
         "1e-2",
         "--cache",
         "512MiB",
         "--timeout",
         "2m",
         "--device",
         "cuda",
         "--lora",
         "a=x",
         "--lora",
         "b=y",
         "--api-key",
         "",
         "--chat-template",
         "t.jinja"});
  EXPECT_EQ(options_.model, "dir");
  EXPECT_EQ(options_.host, "::1");
  EXPECT_EQ(options_.port, 9000);
  EXPECT_EQ(options_.max_num_seqs, 8);
  EXPECT_EQ(options_.seed, ~uint64_t{0});
  EXPECT_FALSE(options_.prefix_caching);
  EXPECT_TRUE(options_.verbose);
  EXPECT_EQ(options_.memory, 0.5f);
  EXPECT_EQ(options_.top_p, 0.01);
  EXPECT_EQ(options_.cache, int64_t{512} << 20);
  EXPECT_EQ(options_.timeout, milliseconds(120000));
  EXPECT_EQ(options_.device, Where::kCuda);
  EXPECT_EQ(options_.lora, (std::vector<std::string>{"a=x", "b=y"}));
  EXPECT_EQ(options_.api_key, "");
  EXPECT_EQ(options_.chat_template, "t.jinja");
}

TEST_F(SettingsTest, TakesTheLastOfARepeatedFlag) {
  Parse({"dir", "--port", "1", "--port", "2", "--verbose", "--no-verbose", "--prefix-caching=off"});
  EXPECT_EQ(options_.port, 2);
  EXPECT_FALSE(options_.verbose);
  EXPECT_FALSE(options_.prefix_caching);
}

TEST_F(SettingsTest, DoesNotGiveASwitchTheNextArgument) {
  Parse({"--verbose", "dir"});
  EXPECT_TRUE(options_.verbose);
  EXPECT_EQ(options_.model, "dir");
}

TEST_F(SettingsTest, PutsFlagBeforeVariableBeforeFile) {
  const std::string file =
      File("port: 1\nhost: file\nmax-num-seqs: 3\nlora: [a, b]\nverbose: yes\n");
  Parse({"dir", "--config", file, "--port", "3"}, {{"TANDEM_PORT", "2"}, {"TANDEM_HOST", "env"}});
  EXPECT_EQ(options_.port, 3);
  EXPECT_EQ(options_.host, "env");
  EXPECT_EQ(options_.max_num_seqs, 3);
  EXPECT_EQ(options_.lora, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(options_.verbose);
  EXPECT_EQ(settings_.SourceOf("port"), SettingSource::kFlag);
  EXPECT_EQ(settings_.SourceOf("host"), SettingSource::kVariable);
  EXPECT_EQ(settings_.SourceOf("max-num-seqs"), SettingSource::kFile);
}

TEST_F(SettingsTest, ReadsVariables) {
  Parse({}, {{"TANDEM_MODEL", "dir"},
             {"TANDEM_CONFIG", File("port: 5")},
             {"TANDEM_MAX_NUM_SEQS", "2"},
             {"TANDEM_LORA", "a=x,b=y"},
             {"TANDEM_PREFIX_CACHING", "false"},
             {"TANDEM_HOST", ""},
             {"TANDEM_REQUEST_RATE", "7"},
             {"PATH", "/bin"}});
  EXPECT_EQ(options_.model, "dir");
  EXPECT_EQ(options_.port, 5);
  EXPECT_EQ(options_.max_num_seqs, 2);
  EXPECT_EQ(options_.lora, (std::vector<std::string>{"a=x", "b=y"}));
  EXPECT_FALSE(options_.prefix_caching);
  EXPECT_EQ(options_.host, "127.0.0.1");
}

TEST_F(SettingsTest, RefusesUnknownNamesWithANearMatch) {
  EXPECT_EQ(Error({"dir", "--prot", "80"}), "unknown flag --prot; did you mean --port?");
  EXPECT_TRUE(Contains(Error({"dir", "-x"}), "unknown flag -x"));
  EXPECT_TRUE(Contains(Error({"dir", "other"}), "unexpected argument \"other\""));
  EXPECT_TRUE(Contains(Error({"dir"}, {{"TANDEM_PROT", "80"}}),
                       "unknown variable TANDEM_PROT; did you mean TANDEM_PORT?"));
  EXPECT_TRUE(
      Contains(Error({"dir", "--config", File("a: 1\nmax_num_seqs: 2\n")}),
               "serve.yaml line 2: unknown key \"max_num_seqs\"; did you mean max-num-seqs?"));
}

TEST_F(SettingsTest, NamesValueAndLimitOfABadValue) {
  EXPECT_EQ(Error({"dir", "--port", "70000"}),
            "--port is \"70000\", expected an integer from 0 to 65535");
  EXPECT_TRUE(Contains(Error({"dir", "--port", "-1"}), "--port is \"-1\""));
  EXPECT_TRUE(Contains(Error({"dir", "--port", "80x"}), "--port is \"80x\""));
  EXPECT_TRUE(Contains(Error({"dir", "--port"}), "--port"));
  EXPECT_TRUE(Contains(Error({"dir", "--port", "99999999999999999999"}), "expected an integer"));
  EXPECT_TRUE(Contains(Error({"dir", "--max-num-seqs", "0"}), "an integer of at least 1"));
  EXPECT_TRUE(Contains(Error({"dir", "--memory", "0"}), "a number above 0 and at most 1"));
  EXPECT_TRUE(Contains(Error({"dir", "--memory", "nan"}), "a number above 0"));
  EXPECT_TRUE(
      Contains(Error({"dir", "--cache", "1K"}), "a size such as 512MiB or 4GB of at least 1MiB"));
  EXPECT_TRUE(Contains(Error({"dir", "--timeout", "soon"}), "a time such as"));
  EXPECT_TRUE(Contains(Error({"dir", "--timeout", "1ms"}), "of at least 100ms"));
  EXPECT_TRUE(
      Contains(Error({"dir", "--device", "cdua"}), "expected one of cpu|cuda; did you mean cuda?"));
  EXPECT_TRUE(Contains(Error({"dir", "--verbose=maybe"}), "expected true or false"));
  EXPECT_TRUE(Contains(Error({"dir"}, {{"TANDEM_PORT", "x"}}), "TANDEM_PORT is \"x\""));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("host: a\nport: x\n")}),
                       "serve.yaml line 2: port is \"x\""));
}

TEST_F(SettingsTest, ListsAllProblemsAtOnce) {
  const std::string error =
      Error({"--port", "x", "--cache", "y"}, {{"TANDEM_TIMEOUT", "z"}, {"TANDEM_FOO_BAR", "1"}});
  EXPECT_TRUE(Contains(error, "5 problems:"));
  for (const char* part : {"--port is", "--cache is", "TANDEM_TIMEOUT is", "TANDEM_FOO_BAR",
                           "model is missing: give it as an argument, --model, TANDEM_MODEL"}) {
    EXPECT_TRUE(Contains(error, part));
  }
}

TEST_F(SettingsTest, ExaminesValuesThatAreOverruled) {
  EXPECT_TRUE(Contains(Error({"dir", "--port", "1"}, {{"TANDEM_PORT", "x"}}), "TANDEM_PORT"));
}

TEST_F(SettingsTest, RefusesFilesOfAnotherForm) {
  EXPECT_TRUE(Contains(Error({"dir", "--config", "/nonexistent.yaml"}), "/nonexistent.yaml"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("port: [1, 2]")}), "is not a single value"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("lora: {a: b}")}), "list of values"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("port: 1\nport: 2")}), "port stands twice"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("- port")}), "is not a mapping"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("port: [")}), "serve.yaml: "));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("port: ~")}), "port is not a single value"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("config: x")}), "cannot be set in a file"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("? [a]\n: 1")}), "a key is not a name"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File(std::string(2 << 20, ' '))}), "the limit"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File(std::string(100000, '['))}), "serve.yaml"));
  EXPECT_TRUE(Contains(Error({"dir", "--config", File("host: \xd4")}), "UTF-8 text, at byte 6"));
  EXPECT_EQ(Parse({"dir", "--config", File("# nothing\n")}), std::nullopt);
}

TEST_F(SettingsTest, LeavesTheVariablesOfSisterProgramsAlone) {
  Parse({"dir"}, {{"TANDEM_TRAIN_PORT", "x"}, {"TANDEM_LOADTEST_ANY", "y"}});
  EXPECT_EQ(options_.port, 8000);
  int64_t rows = 0;
  Settings trainer("tandem-train sft", "");
  trainer.Add("rows", &rows, {});
  EXPECT_EQ(trainer.VariableOf("rows"), "TANDEM_TRAIN_ROWS");
  trainer.Parse({{}, {{"TANDEM_TRAIN_ROWS", "3"}, {"TANDEM_ROWS", "4"}, {"TANDEM_PROT", "80"}}});
  EXPECT_EQ(rows, 3);
  EXPECT_EQ(MessageOf<ConfigError>([&] {
              trainer.Parse({{}, {{"TANDEM_TRAIN_ROW", "3"}}});
            }),
            "unknown variable TANDEM_TRAIN_ROW; did you mean TANDEM_TRAIN_ROWS?");
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] {
                         trainer.Parse({{}, {{"TANDEM_TRAIN_SERVICE_HOST", "10.0.0.1"}}});
                       }),
                       "a service named tandem-train?"));
  EXPECT_TRUE(Contains(trainer.Help(100), "--rows by TANDEM_TRAIN_ROWS"));
}

TEST_F(SettingsTest, RefusesANameWhoseVariableIsASistersOwn) {
  int64_t rows = 0;
  EXPECT_THROW(settings_.Add("train-rows", &rows, {}), InternalError);
}

TEST_F(SettingsTest, HintsAtKubernetesServiceVariables) {
  EXPECT_TRUE(
      Contains(Error({"dir"}, {{"TANDEM_SERVICE_HOST", "10.0.0.1"}}), "enableServiceLinks"));
  EXPECT_TRUE(
      Contains(Error({"dir"}, {{"TANDEM_PORT", "tcp://10.0.0.1:80"}}), "enableServiceLinks"));
}

TEST_F(SettingsTest, PrintsAConfigThatReadsBack) {
  const auto text =
      Parse({"a dir", "--print-config", "--port", "1", "--lora", "x: y", "--lora", "-", "--api-key",
             "hunter2", "--timeout", "1500ms", "--host", "null", "--seed", "7"});
  ASSERT_TRUE(text.has_value());
  EXPECT_TRUE(Contains(*text, "port: 1  # flag\n"));
  EXPECT_TRUE(Contains(*text, "cache: 1GiB  # default\n"));
  EXPECT_TRUE(Contains(*text, "model: \"a dir\"  # flag\n"));
  EXPECT_TRUE(Contains(*text, "# chat-template:  # default\n"));
  EXPECT_FALSE(text->find("hunter2") != std::string::npos);
  Options again;
  Settings settings("tandem serve", "");
  settings.Add("model", &again.model, {});
  settings.Add("host", &again.host, {});
  settings.Add("port", &again.port, {});
  settings.Add("max-num-seqs", &again.max_num_seqs, {});
  settings.Add("seed", &again.seed, {});
  settings.Add("prefix-caching", &again.prefix_caching, {});
  settings.Add("verbose", &again.verbose, {});
  settings.Add("memory", &again.memory, {});
  settings.Add("top-p", &again.top_p, {});
  settings.AddBytes("cache", &again.cache, {});
  settings.Add("timeout", &again.timeout, {});
  settings.AddChoice<Where>("device", &again.device, {{"cpu", Where::kCpu}, {"cuda", Where::kCuda}},
                            {});
  settings.Add("lora", &again.lora, {});
  settings.Add("chat-template", &again.chat_template, {});
  EXPECT_EQ(settings.Parse({{"--config", File(*text)}, {}}), std::nullopt);
  EXPECT_EQ(again.model, "a dir");
  EXPECT_EQ(again.host, "null");
  EXPECT_EQ(again.port, 1);
  EXPECT_EQ(again.seed, 7u);
  EXPECT_EQ(again.memory, 0.9f);
  EXPECT_EQ(again.timeout, milliseconds(1500));
  EXPECT_EQ(again.lora, (std::vector<std::string>{"x: y", "-"}));
}

TEST_F(SettingsTest, HidesSecretsInMessages) {
  int32_t pin = 0;
  settings_.Add("pin", &pin, {.help = "pin", .max = 9999, .secret = true});
  const std::string error = Error({"dir", "--pin", "hunter2"});
  EXPECT_TRUE(Contains(error, "--pin is (hidden)"));
  EXPECT_EQ(error.find("hunter2"), std::string::npos);
}

TEST_F(SettingsTest, HelpsWithoutAskingForWhatIsRequired) {
  for (const char* flag : {"--help", "-h"}) {
    const auto text = Parse({flag});
    ASSERT_TRUE(text.has_value());
    EXPECT_TRUE(Contains(*text, "Usage: tandem serve [flags] MODEL\n"));
  }
  const std::string text = settings_.Help(80);
  EXPECT_TRUE(Contains(text, "\nNetwork:\n"));
  EXPECT_TRUE(
      Contains(text, "  --port INT                  TCP port (default 8000, 0 to 65535)\n"));
  EXPECT_TRUE(Contains(text, "--[no-]prefix-caching       share prefixes (default on)"));
  EXPECT_TRUE(Contains(text, "--device cpu|cuda"));
  size_t line_start = 0;
  while (line_start < text.size()) {
    const size_t line_end = text.find('\n', line_start);
    EXPECT_LE(line_end - line_start, 80u) << text.substr(line_start, line_end - line_start);
    line_start = line_end + 1;
  }
}

TEST_F(SettingsTest, RefusesATableThatContradictsItself) {
  int32_t value = 5;
  EXPECT_THROW(settings_.Add("port", &value, {}), InternalError);
  EXPECT_THROW(settings_.Add("value", &value, {.max = 4}), InternalError);
}

// A table that takes another program's flags.
class OtherNames : public SettingsTest {
 protected:
  OtherNames() {
    settings_.AddAlias("max_sequences", "max-num-seqs");
    settings_.AddAlias("use_prefixes", "prefix-caching");
    settings_.AddAlias("weights_dir", "model", {{"none", ""}});
    settings_.AddAlias("max_num_seqs", "max-num-seqs");  // with dashes it is the row itself
    settings_.AddIgnored("num_workers", Setting::Kind::kValue, {.help = "nothing"});
    settings_.AddIgnored("use_board", Setting::Kind::kSwitch, {.help = "nothing"});
  }
};

TEST_F(OtherNames, SetTheRowTheyMean) {
  Parse({"--weights_dir", "none", "--max_sequences", "3", "--use_prefixes", "0"});
  EXPECT_EQ(options_.max_num_seqs, 3);
  EXPECT_EQ(options_.model, "");
  EXPECT_FALSE(options_.prefix_caching);
  EXPECT_EQ(settings_.SourceOf("max-num-seqs"), SettingSource::kFlag);
  Parse({"dir", "--max-sequences=5"});
  EXPECT_EQ(options_.max_num_seqs, 5);
  Parse({"dir", "--max_num_seqs", "6"});
  EXPECT_EQ(options_.max_num_seqs, 6);
  Parse({"dir", "--max-num-seqs", "7"}, {{"TANDEM_MAX_SEQUENCES", "8"}});
  EXPECT_EQ(options_.max_num_seqs, 7);
  Parse({"dir", "--config", File("max_sequences: 9\nuse-prefixes: 1\n")});
  EXPECT_EQ(options_.max_num_seqs, 9);
  EXPECT_TRUE(options_.prefix_caching);
}

TEST_F(OtherNames, StandInMessagesAsTheyWereWritten) {
  EXPECT_TRUE(Contains(Error({"dir", "--max_sequences", "x"}), "--max_sequences is \"x\""));
  EXPECT_TRUE(Contains(Error({"dir", "--max-sequences", "x"}), "--max-sequences is \"x\""));
  EXPECT_TRUE(Contains(Error({"dir", "--max-num-seqs", "2", "--max-sequences", "3"}),
                       "--max-num-seqs and --max-sequences set the same"));
  EXPECT_TRUE(Contains(Error({"dir", "--use_prefixes", "maybe"}), "expected true or false"));
}

TEST_F(OtherNames, MayChangeNothing) {
  EXPECT_TRUE(settings_.IgnoredNames().empty());
  const auto text = Parse({"dir", "--use-board", "--num_workers", "8", "--print-config"});
  EXPECT_EQ(settings_.IgnoredNames(), (std::vector<std::string>{"num_workers", "use_board"}));
  ASSERT_TRUE(text.has_value());
  for (const char* name : {"num_workers", "use_board", "max_sequences"}) {
    EXPECT_EQ(text->find(name), std::string::npos) << name;
  }
  EXPECT_TRUE(Contains(settings_.Help(80), "\nother names:\n  --max_sequences INT"));
}

TEST(Settings, GivesAPositionalListWhatIsLeft) {
  std::string first;
  std::vector<std::string> rest;
  Settings settings("tandem bench", "");
  settings.AddPositional("first", &first, {});
  settings.AddPositional("rest", &rest, {});
  settings.Parse({{"a", "b", "c"}, {}});
  EXPECT_EQ(first, "a");
  EXPECT_EQ(rest, (std::vector<std::string>{"b", "c"}));
}

TEST(Settings, ReadsArgumentsAfterTheProgramsName) {
  std::string name;
  Settings settings("tandem", "");
  settings.Add("some-unlikely-name", &name, {});
  const char* argv[] = {"tandem", "--some-unlikely-name", "x"};
  EXPECT_EQ(settings.Parse(3, argv), std::nullopt);
  EXPECT_EQ(name, "x");
}

}  // namespace
}  // namespace tandem
