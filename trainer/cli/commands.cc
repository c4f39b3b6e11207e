#include "trainer/cli/commands.h"

#include <fmt/format.h>

#include <ostream>

#include "trainer/cli/convert_model.h"
#include "trainer/cli/evaluate.h"
#include "trainer/cli/export_model.h"
#include "trainer/cli/import_model.h"
#include "trainer/cli/report.h"
#include "trainer/cli/train_model.h"
#include "trainer/cli/train_tokenizer.h"

namespace tandem {
namespace {

int Help(const CommandLine& line) {
  line.out << TrainCommandOverview();
  return 0;
}

constexpr TrainCommand kCommands[] = {
    {"tokenizer", "learn a tokenizer from text", TrainTokenizer},
    {"pretrain", "train a model to continue text", Pretrain},
    {"sft", "train a model to answer, on conversations", SupervisedFineTuning},
    {"evaluate", "how well models predict held-out data", Evaluate},
    {"export", "write a model for other programs", ExportModel},
    {"import", "make a model directory of a PyTorch checkpoint", ImportModel},
    {"convert", "import or export, by what is given", ConvertModel},
    {"report", "draw the curves of runs into one HTML file", WriteReport},
    {"help", "this overview", Help},
};

}  // namespace

std::span<const TrainCommand> TrainCommands() { return kCommands; }

void IgnoreOtherTrainCommands(Settings& settings) {
  settings.IgnoreVariablesOf(AddTrainTokenizerSettings);
  settings.IgnoreVariablesOf(AddTrainingSettings);
  settings.IgnoreVariablesOf(AddEvaluateSettings);
  settings.IgnoreVariablesOf(AddExportSettings);
  settings.IgnoreVariablesOf(AddImportSettings);
  settings.IgnoreVariablesOf(AddReportSettings);
}

std::string TrainCommandOverview() {
  std::string text = "usage: tandem-train COMMAND [OPTION...]\n\ncommands:\n";
  for (const TrainCommand& command : kCommands) {
    text += fmt::format("  {:<12}{}\n", command.name, command.purpose);
  }
  return text + "\n'tandem-train COMMAND --help' lists the options of one.\n";
}

}  // namespace tandem
