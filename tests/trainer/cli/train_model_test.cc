#include "trainer/cli/train_model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/mapped_file.h"
#include "engine/config/model_config.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

TrainingRunOptions Parsed(std::vector<std::string> arguments) {
  TrainingRunOptions options;
  Settings settings("tandem-train pretrain", "");
  AddTrainingSettings(settings, options);
  settings.Parse({.arguments = std::move(arguments), .variables = {}});
  return options;
}

TEST(TrainModel, TakesMiniMindsFlags) {
  const TrainingRunOptions options = Parsed({"--data_path",
                                             "data.jsonl",
                                             "--save_dir",
                                             "out",
                                             "--epochs",
                                             "2",
                                             "--batch_size",
                                             "32",
                                             "--learning_rate",
                                             "5e-4",
                                             "--dtype",
                                             "bfloat16",
                                             "--accumulation_steps",
                                             "8",
                                             "--grad_clip",
                                             "0.5",
                                             "--log_interval",
                                             "100",
                                             "--save_interval",
                                             "1000",
                                             "--max_seq_len",
                                             "340",
                                             "--from_resume",
                                             "1",
                                             "--from_weight",
                                             "none",
                                             "--hidden_size",
                                             "512",
                                             "--num_hidden_layers",
                                             "4",
                                             "--use_moe",
                                             "1",
                                             "--num_workers",
                                             "8",
                                             "--use_compile",
                                             "0",
                                             "--use_wandb",
                                             "--wandb_project",
                                             "mine",
                                             "--device",
                                             "cuda:0"});
  EXPECT_EQ(options.device, "cuda:0");
  EXPECT_EQ(options.data, std::vector<std::string>{"data.jsonl"});
  EXPECT_EQ(options.output, "out");
  EXPECT_EQ(options.micro_batch_rows, 32);
  EXPECT_EQ(options.accumulate, 8);
  EXPECT_EQ(options.trainer.schedule.rate, 5e-4);
  EXPECT_EQ(options.trainer.optimizer.max_norm, 0.5);
  EXPECT_EQ(options.dtype, DType::kBf16);
  EXPECT_EQ(options.log_every, 100);
  EXPECT_EQ(options.save_every, 1000);
  EXPECT_EQ(options.row_tokens, 340);
  EXPECT_TRUE(options.resume);
  EXPECT_TRUE(options.model.empty());
  EXPECT_EQ(options.shape.hidden_size, 512);
  EXPECT_EQ(options.shape.num_layers, 4);
  EXPECT_EQ(options.shape.use_moe, 1);
  EXPECT_EQ(Parsed({"a", "--output", "b", "--from-weight", "base"}).model, "base");
}

TEST(TrainModel, NamesTheFlagThatWasWritten) {
  const std::string message = MessageOf<ConfigError>([] {
    Parsed({"a", "--save-dir", "b", "--batch-size", "0"});
  });
  EXPECT_NE(message.find("--batch-size is"), std::string::npos) << message;
}

ModelConfig Committed(const std::string& name) {
  const auto path = std::filesystem::path(TANDEM_SOURCE_DIR) / "configs/models" / name;
  const MappedFile file(path);
  return ParseModelConfig({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()},
                          name);
}

TEST(MiniMindShape, IsThatOfTheCommittedConfigs) {
  EXPECT_EQ(ConfigOf({}), Committed("minimind3-64m.json"));
  EXPECT_EQ(ConfigOf({.hidden_size = 768, .num_layers = 8, .use_moe = 1}),
            Committed("minimind3-moe-198m.json"));
  const ModelConfig small = ConfigOf({.hidden_size = 512, .num_layers = 2});
  EXPECT_EQ(small.head_dim, 64);
  EXPECT_EQ(small.intermediate_size, 1664);
  EXPECT_THROW(ConfigOf({.hidden_size = 500}), ConfigError);
}

TEST(MiniMindShape, HasToAgreeWithAModel) {
  const ModelConfig config = ConfigOf({});
  EXPECT_NO_THROW(CheckAgrees({.hidden_size = 768, .use_moe = 0}, config));
  const std::string message = MessageOf<ConfigError>(
      [&] { CheckAgrees({.hidden_size = 512, .num_layers = 8, .use_moe = 1}, config); });
  EXPECT_NE(message.find("--hidden_size is 512 and the model's 768"), std::string::npos) << message;
  EXPECT_NE(message.find("--use_moe is 1"), std::string::npos) << message;
}

}  // namespace
}  // namespace tandem
