#include "engine/base/program_files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

TEST(ProgramFiles, KnowsWhereTheProgramLies) {
  EXPECT_TRUE(std::filesystem::exists(ProgramFolder() / "engine_tests")) << ProgramFolder();
}

TEST(ProgramFiles, FindsFilesOfAnInstalledTree) {
  const TemporaryDirectory prefix;
  std::filesystem::create_directories(prefix / "share/tandem/configs/models/default");
  EXPECT_EQ(FindProgramFile(prefix / "bin", "configs/models/default"),
            prefix / "share/tandem/configs/models/default");
  EXPECT_EQ(FindProgramFile(prefix / "bin", "configs/models/other"), std::nullopt);
}

TEST(ProgramFiles, FindsFilesOfTheCheckoutThatABuildLiesIn) {
  const TemporaryDirectory checkout;
  std::filesystem::create_directories(checkout / "configs/serve");
  checkout.Write("configs/serve/local.yaml", "");
  EXPECT_EQ(FindProgramFile(checkout / "build/cpu/bin", "configs/serve/local.yaml"),
            checkout / "configs/serve/local.yaml");
}

}  // namespace
}  // namespace tandem
