// What `cmake --install` makes is complete, and works where it was moved to.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "api/cli/command_settings.h"
#include "tests/e2e/letter_model.h"
#include "tests/e2e/program.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

struct Outcome {
  int status = 0;
  std::string text;
};

Outcome Execute(const std::vector<std::string>& command) {
  Program program(command);
  const int status = program.Wait();
  return {status, program.text()};
}

class InstalledTree : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome install = Execute(
        {TANDEM_CMAKE, "--install", TANDEM_BUILD_DIR, "--prefix", (base_ / "first").string()});
    ASSERT_EQ(install.status, 0) << install.text;
    std::filesystem::create_directory(base_ / "elsewhere");
    root_ = base_ / "elsewhere/tandem";
    std::filesystem::rename(base_ / "first", root_);
  }

  std::string Tandem() const { return (root_ / "bin/tandem").string(); }
  std::filesystem::path Shared() const { return root_ / "share/tandem"; }

  TemporaryDirectory base_;
  std::filesystem::path root_;  // where the tree was moved to
};

TEST_F(InstalledTree, HasProgramLicenceAndConfigs) {
  for (const auto& entry : std::filesystem::directory_iterator(TANDEM_BUILD_DIR "/bin")) {
    const std::string program = entry.path().filename().string();
    // The bench measures the checkout that it was built from.
    EXPECT_EQ(std::filesystem::exists(root_ / "bin" / program), program != "tandem-bench")
        << program;
  }
  EXPECT_TRUE(std::filesystem::exists(root_ / "share/doc/tandem/LICENSE"));
  EXPECT_TRUE(std::filesystem::exists(root_ / "share/doc/tandem/README.md"));
  EXPECT_TRUE(std::filesystem::exists(Shared() / "configs/serve/local.yaml"));
  const Outcome version = Execute({Tandem(), "--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_TRUE(version.text.starts_with("tandem ")) << version.text;
}

// As the installed program prints them, where shells and man look below a prefix.
TEST_F(InstalledTree, HasCompletionScriptsAndManualPages) {
  const auto expect_printed = [&](const std::string& file, std::vector<std::string> arguments) {
    const std::filesystem::path path = root_ / "share" / file;
    std::ifstream stream(path);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    arguments.insert(arguments.begin(), Tandem());
    EXPECT_FALSE(text.empty()) << path;
    EXPECT_EQ(text, Execute(arguments).text) << path;
  };
  expect_printed("bash-completion/completions/tandem", {"completion", "bash"});
  expect_printed("zsh/site-functions/_tandem", {"completion", "zsh"});
  expect_printed("fish/vendor_completions.d/tandem.fish", {"completion", "fish"});
  expect_printed("man/man1/tandem.1", {"man"});
  for (const Command& command : Commands()) {
    if (command.settings == nullptr) continue;
    expect_printed("man/man1/tandem-" + command.name + ".1", {"man", command.name});
  }
}

TEST_F(InstalledTree, RunsAModel) {
  const std::filesystem::path model = base_ / "model";
  WriteLetterModel(model, base_);
  const Outcome inspect = Execute({Tandem(), "inspect", model.string()});
  EXPECT_EQ(inspect.status, 0) << inspect.text;
  EXPECT_NE(inspect.text.find("llama"), std::string::npos) << inspect.text;
  const Outcome generate = Execute({Tandem(), "generate", "--model", model.string(), "--prompt",
                                    "the sea", "--max-tokens", "4", "--temperature", "0",
                                    "--ignore-eos", "--kv-cache-memory", "1MiB"});
  EXPECT_EQ(generate.status, 0) << generate.text;
}

TEST_F(InstalledTree, FindsTheDefaultModelThatItCarries) {
  const std::filesystem::path model = Shared() / "configs/models/default";
  if (!std::filesystem::exists(model)) {
    EXPECT_EQ(Execute({Tandem(), "inspect"}).status, 2);
    WriteLetterModel(model, base_);
  }
  const Outcome inspect = Execute({Tandem(), "inspect"});
  EXPECT_EQ(inspect.status, 0) << inspect.text;
}

TEST_F(InstalledTree, BecomesTheProgramBesideItOrSaysThatItIsMissing) {
  const Outcome missing = Execute({Tandem(), "bench"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.text.find("tandem-bench, and this build does not have it"), std::string::npos)
      << missing.text;
  std::filesystem::create_symlink(TANDEM_CMAKE, root_ / "bin/tandem-bench");
  const Outcome found = Execute({Tandem(), "bench", "-E", "echo", "arguments arrive"});
  EXPECT_EQ(found.status, 0);
  EXPECT_EQ(found.text, "arguments arrive\n");
}

}  // namespace
}  // namespace tandem
