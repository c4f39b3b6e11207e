#include "trainer/cli/convert_model.h"

#include <gtest/gtest.h>

#include "engine/config/model_config.h"
#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

TEST(ConvertCommand, GoesInBothDirections) {
  const TemporaryDirectory directory;
  const std::string golden = std::string(TANDEM_SOURCE_DIR) + "/tests/golden/models/minimind3";
  const std::string pth = (directory / "a.pth").string();
  const CommandOutcome out = RunInProcess(
      "tandem-train", ConvertModel, {"--model", golden, "--output=" + pth, "--format", "minimind"});
  ASSERT_EQ(out.status, 0) << out.err;
  const CommandOutcome in = RunInProcess("tandem-train", ConvertModel,
                                         {"--from=" + pth, "--output", (directory / "b").string()});
  ASSERT_EQ(in.status, 0) << in.err;
  EXPECT_EQ(ReadModelConfig(directory / "b"), ReadModelConfig(golden));
}

TEST(ConvertCommand, SaysWhatItNeeds) {
  EXPECT_TRUE(
      Contains(RunInProcess("tandem-train", ConvertModel, {"--help"}).out, "--from FILE.pth"));
  const CommandOutcome neither = RunInProcess("tandem-train", ConvertModel, {"--output", "x"});
  EXPECT_EQ(neither.status, kExitUsage);
  EXPECT_TRUE(Contains(neither.err, "either --from"));
  EXPECT_EQ(RunInProcess("tandem-train", ConvertModel, {"--from", "a", "--model", "b"}).status,
            kExitUsage);
}

}  // namespace
}  // namespace tandem
