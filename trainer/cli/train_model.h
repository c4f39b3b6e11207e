#pragma once
// The knobs of `tandem-train pretrain` and `tandem-train sft`, and the commands.

#include "engine/base/command_line.h"
#include "engine/base/settings.h"
#include "trainer/training_run.h"

namespace tandem {

void AddTrainingSettings(Settings& settings, TrainingRunOptions& options);

int Pretrain(const CommandLine& line);
int SupervisedFineTuning(const CommandLine& line);

}  // namespace tandem
