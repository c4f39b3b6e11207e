#include "trainer/training_state.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/random_model.h"

namespace tandem {
namespace {

TrainingState SomeState() {
  TrainingState state{.step = 1234,
                      .optimizer_steps = 1230,
                      .position = {.epoch = 2, .micro_batch = 77},
                      .settings = SettingsOf(TrainerOptions{}),
                      .model_config = SortedModelConfig(Stories260KConfig(), DType::kBf16)};
  state.settings["objective"] = "next \"token\"\n";
  state.carried["run_id"] = "17-c0ffee";
  state.files["tensors.safetensors"] = {.size_bytes = 3'000'000'000'000, .xxh64 = 0xfedc};
  return state;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return at == text.npos ? text : text.replace(at, from.size(), to);
}

std::string ProblemOf(const std::string& text) {
  return MessageOf<FormatError>([&] { ParseTrainingState(text, "state.json"); });
}

TEST(TrainingState, IsReadAsItWasWritten) {
  const TrainingState state = SomeState();
  const std::string text = FormatTrainingState(state);
  EXPECT_TRUE(ParseTrainingState(text, "here") == state);
  EXPECT_EQ(ParseModelConfig(state.model_config, "here"), Stories260KConfig());
}

TEST(TrainingState, IsRefusedWithAnyByteCutOffOrChanged) {
  const std::string text = FormatTrainingState(SomeState());
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_THROW(ParseTrainingState(text.substr(0, i), "cut"), FormatError) << i;
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    EXPECT_THROW(ParseTrainingState(flipped, "flipped"), FormatError) << i;
  }
  EXPECT_THROW(ParseTrainingState(text + "\n", "longer"), FormatError);
}

TEST(TrainingState, KeepsTheLossScale) {
  TrainingState state = SomeState();
  EXPECT_EQ(FormatTrainingState(state).find("loss_scaler"), std::string::npos);
  state.loss_scaler = {.scale = 32768.0, .num_good = 1999};
  const std::string text = FormatTrainingState(state);
  EXPECT_TRUE(ParseTrainingState(text, "here") == state);
  for (const char* scale : {"0.5", "1e40", "-1.0", "null"}) {
    EXPECT_NE(ProblemOf(Replaced(text, "32768.0", scale)).find("scale"), std::string::npos)
        << scale;
  }
  EXPECT_NE(ProblemOf(Replaced(text, "1999", "-1")).find("good_steps"), std::string::npos);
}

TEST(TrainingState, ListsAllThatIsWrong) {
  std::string text = FormatTrainingState(SomeState());
  text = Replaced(text, "\"step\": 1234", "\"step\": -1");
  text = Replaced(text, "\"epoch\": 2,", "");
  text = Replaced(text, "\"loss_mean\": \"tokens\"", "\"loss_mean\": 3");
  text = Replaced(text, "\"size_bytes\": 3000000000000", "\"size_bytes\": true");
  text = Replaced(text, "\"vocab_size\": 512", "\"vocab_size\": 0");
  const std::string problem = ProblemOf(text);
  for (const std::string part :
       {"state.json: ", "step is -1", "epoch is missing", "settings.loss_mean is 3",
        "files.tensors.safetensors.size_bytes is true", "vocab_size is 0"}) {
    EXPECT_TRUE(Contains(problem, part));
  }
}

TEST(TrainingState, RefusesWhatContradictsItself) {
  const std::string text = FormatTrainingState(SomeState());
  EXPECT_TRUE(
      Contains(ProblemOf(Replaced(text, "\"optimizer_steps\": 1230", "\"optimizer_steps\": 1235")),
               "optimizer_steps exceeds step"));
  EXPECT_TRUE(Contains(ProblemOf(Replaced(text, "\"format_version\": 1", "\"format_version\": 2")),
                       "version 2; this program reads 1"));
  EXPECT_TRUE(Contains(ProblemOf(Replaced(text, "\"step\": 1234", "\"step\": 1235")),
                       "its checksum does not fit"));
  EXPECT_TRUE(Contains(ProblemOf(Replaced(text, "\"objective\"", "\"obj\\u001bective\"")),
                       "settings has the name \"obj\\x1bective\""));
}

TEST(TrainingState, NamesDifferences) {
  const TrainingState saved = SomeState();
  TrainingState now = saved;
  now.step = 99;
  now.files.clear();
  EXPECT_TRUE(FindDifferences(saved, now).empty());
  now.settings["schedule.rate"] = "0.1";
  now.settings.erase("objective");
  ModelConfig wider = Stories260KConfig();
  wider.intermediate_size = 200;
  now.model_config = SortedModelConfig(wider, DType::kBf16);
  const std::vector<std::string> differences = FindDifferences(saved, now);
  EXPECT_EQ(differences, (std::vector<std::string>{
                             "objective is not set here and was next \"token\"\\n",
                             "schedule.rate is 0.1 here and was 0.0005",
                             "model.intermediate_size is 200 here and was 172",
                         }));
}

TEST(TrainingState, KeepsOptionsThatDecideTheArithmeticAlone) {
  TrainerOptions options{.schedule = {.kind = ScheduleKind::kConstant}};
  const auto settings = SettingsOf(options);
  options.max_tokens = 99;
  options.schedule.num_steps = 1000;  // a constant rate has no end
  EXPECT_EQ(SettingsOf(options), settings);
  options.schedule.kind = ScheduleKind::kWsd;
  const auto wsd = SettingsOf(options);
  EXPECT_EQ(wsd.at("schedule.num_steps"), "1000");
  options.optimizer.eps = 0.1 + 0.2;  // to the last bit
  EXPECT_EQ(SettingsOf(options).at("optimizer.eps"), "0.30000000000000004");
}

}  // namespace
}  // namespace tandem
