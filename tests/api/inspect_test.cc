#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "api/cli/command_line.h"
#include "engine/weights/safetensors.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

// Its estimate for int8 divided by the length of a row.
TEST(Inspect, TakesAMatrixWithoutColumns) {
  const TemporaryDirectory model;
  std::filesystem::copy_file(TANDEM_SOURCE_DIR "/tests/golden/models/llama/config.json",
                             model / "config.json");
  const Tensor empty(DType::kF32, {4, 0});
  const NamedTensor tensors[] = {{"empty", empty.view()}};
  WriteSafetensors(model / "model.safetensors", tensors);
  const std::string directory = model.path().string();
  const char* arguments[] = {"inspect", directory.c_str(), "--tensors"};
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(Inspect({.argc = 3, .argv = arguments, .out = out, .err = err}), 0);
  EXPECT_NE(out.str().find("empty"), std::string::npos);
}

}  // namespace
}  // namespace tandem
