// Every fuzz target on its seeds and on a fixed number of their mutations, in builds without
// libFuzzer. The build lists the targets in fuzz_targets.inc, one FUZZ_TARGET(name) each.

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/printable.h"
#include "tests/fuzz/mutator.h"

// The build renames each target's LLVMFuzzerTestOneInput to Fuzz_<name>.
#define FUZZ_TARGET(name) extern "C" int Fuzz_##name(const uint8_t* data, size_t size);
#include "fuzz_targets.inc"
#undef FUZZ_TARGET

namespace tandem {
namespace {

constexpr uint64_t kSeed = 20261121;
constexpr int kNumMutations = 3000;

struct Target {
  std::string name;
  int (*run)(const uint8_t*, size_t);
};

// ctest shows it behind the test's name.
void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }

const std::vector<Target>& Targets() {
  static const std::vector<Target> targets = {
#define FUZZ_TARGET(name) {#name, Fuzz_##name},
#include "fuzz_targets.inc"
#undef FUZZ_TARGET
  };
  return targets;
}

const std::filesystem::path& CorpusFolder() {
  static const std::filesystem::path folder = TANDEM_SOURCE_DIR "/tests/fuzz/corpus";
  return folder;
}

// In the order of their names, so that the mutations do not depend on the directory's order.
std::vector<std::string> ReadSeeds(const std::string& target) {
  const std::filesystem::path folder = CorpusFolder() / target;
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return seeds;
}

// False, with the input in the test's log, when something left the target.
bool Holds(const Target& target, const std::string& input) {
  // A copy of exactly the input's size: reading past its end is an error that sanitizers see.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  try {
    target.run(bytes.data(), bytes.size());
    return true;
  } catch (const std::exception& error) {
    ADD_FAILURE() << target.name << ": " << error.what() << "\ninput of " << input.size()
                  << " bytes: " << Quoted(input, 16384);
  }
  return false;
}

class Fuzz : public testing::TestWithParam<Target> {};

TEST_P(Fuzz, HoldsOnItsSeedsAndTheirMutations) {
  const Target& target = GetParam();
  const std::vector<std::string> seeds = ReadSeeds(target.name);
  ASSERT_FALSE(seeds.empty()) << "tests/fuzz/corpus/" << target.name << " has no seeds";
  ASSERT_TRUE(Holds(target, ""));
  for (const std::string& seed : seeds) ASSERT_TRUE(Holds(target, seed));
  Mutator mutator(seeds, kSeed);
  for (int i = 0; i < kNumMutations; ++i) {
    ASSERT_TRUE(Holds(target, mutator.Next())) << "mutation " << i << " of seed " << kSeed;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::ValuesIn(Targets()),
                         [](const auto& target) { return target.param.name; });

TEST(FuzzCorpus, EveryFolderHasItsTarget) {
  for (const auto& entry : std::filesystem::directory_iterator(CorpusFolder())) {
    const std::string name = entry.path().filename().string();
    const bool known = std::any_of(Targets().begin(), Targets().end(),
                                   [&](const Target& target) { return target.name == name; });
    EXPECT_TRUE(known) << "there is no tests/fuzz/" << name << "_fuzz.cc";
  }
}

}  // namespace
}  // namespace tandem
