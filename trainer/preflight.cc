#include "trainer/preflight.h"

#include <fmt/format.h>

#include <iterator>
#include <ostream>

#include "kernels/core/devices.h"
#include "trainer/memory_plan.h"
#include "trainer/run_advice.h"

namespace tandem {
namespace {

RunFacts FactsOf(const PreflightInputs& inputs) {
  const TrainingRunOptions& options = inputs.options;
  const auto micro_batches = static_cast<double>(inputs.source.NumMicroBatches(0));
  const auto micro_batch_tokens =
      static_cast<double>(options.micro_batch_rows * options.row_tokens);
  return {.is_new = options.model.empty(),
          .num_parameters = inputs.config.num_parameters(),
          .model_vocabulary = inputs.config.vocab_size,
          .tokenizer_vocabulary = inputs.tokenizer.vocab_size(),
          .rate = options.trainer.schedule.rate,
          .num_steps = inputs.num_steps,
          .warmup_steps = inputs.warmup_steps,
          .epochs = static_cast<double>(inputs.num_steps * options.accumulate) / micro_batches,
          .epoch_tokens =
              static_cast<int64_t>(micro_batches * micro_batch_tokens * inputs.source.FillOf(0)),
          .num_held_out = std::ssize(inputs.held_out),
          .num_shared = std::ssize(FindShared(inputs.documents, inputs.held_out))};
}

}  // namespace

void LookBeforeStart(const PreflightInputs& inputs, std::ostream& out) {
  const TrainingRunOptions& options = inputs.options;
  const MemoryPlanner planner(
      inputs.config, {.dtype = options.dtype,
                      .row_tokens = options.row_tokens,
                      .rows = options.micro_batch_rows,
                      .accumulate = options.accumulate,
                      .optimizer = options.trainer.optimizer.kind,
                      .checkpoint_activations = options.trainer.checkpoint_activations,
                      .dropout = options.trainer.dropout,
                      .sample_context = options.samples.every > 0 ? options.row_tokens : 0});
  out << fmt::format("memory            {}\n",
                     planner.Describe(ReportOf(FindDevice(options.device)).free_bytes));
  for (const std::string& advice : FindAdvice(FactsOf(inputs))) {
    out << fmt::format("advice            {}\n", advice);
  }
  out << std::flush;
}

}  // namespace tandem
