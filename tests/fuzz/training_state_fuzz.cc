// state.json of a checkpoint: what is accepted is exactly what would be written. The checksum is
// corrected first, or nothing would pass it.

#include "trainer/training_state.h"

#include <nlohmann/json.hpp>
#include <string>

#include "tests/fuzz/fuzz_target.h"
#include "trainer/data/hash64.h"
#include "trainer/loop_state.h"

namespace tandem {
namespace {

std::string WithChecksum(const std::string& text) {
  auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || text.size() > 100'000) return text;
  json.erase("xxh64");
  const auto keep = nlohmann::ordered_json::error_handler_t::replace;
  const uint64_t checksum = Hash64Of(json.dump(-1, ' ', false, keep));
  std::string digits(16, '0');
  for (size_t i = 0; i < 16; ++i) digits[i] = "0123456789abcdef"[(checksum >> (60 - 4 * i)) & 15];
  json["xxh64"] = digits;
  return json.dump(2, ' ', false, keep) + "\n";
}

void CheckState(const TrainingState& state) {
  CHECK(state.step >= 0 && state.optimizer_steps >= 0 && state.optimizer_steps <= state.step);
  CHECK(state.position.epoch >= 0 && state.position.micro_batch >= 0);
  for (const auto& [name, file] : state.files) CHECK(file.size_bytes >= 0, name);
  const ModelConfig config = ParseModelConfig(state.model_config, "accepted");
  CHECK(config.num_layers > 0);
  CHECK(FindDifferences(state, state).empty());
  // Last, as it may refuse what the state itself takes as it comes.
  const auto carried = FormatLoopState(ParseLoopState(state.carried, "accepted"));
  CHECK(FormatLoopState(ParseLoopState(carried, "written")) == carried);
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string text(AsText(data, size));
  const std::string sealed = WithChecksum(text);
  for (const std::string* one : {&text, &sealed}) {
    try {
      const TrainingState state = ParseTrainingState(*one, "fuzz");
      CHECK(FormatTrainingState(state) == *one);
      CheckState(state);
    } catch (const FormatError&) {
    }
  }
  return 0;
}
