// tandem generate: completes a text in this process and prints it as it comes.

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <istream>
#include <mutex>
#include <ostream>
#include <random>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "api/cli/generate_options.h"
#include "api/cli/loaded_model.h"
#include "api/openai/generation_request.h"
#include "api/routes/completion_choice.h"
#include "kernels/core/error.h"
#include "scheduler/engine_loop.h"

namespace tandem {

namespace {

using std::chrono::steady_clock;

GenerationRequest MakeAsk(const GenerateOptions& options, const GenerationConfig& defaults) {
  GenerationRequest ask;
  SamplingParams& sampling = ask.sampling;
  const auto pick = [](const std::optional<double>& given, std::optional<float> model,
                       float otherwise) {
    return given ? static_cast<float>(*given) : model.value_or(otherwise);
  };
  sampling.temperature = pick(options.temperature, defaults.temperature, 1.0f);
  sampling.top_p = pick(options.top_p, defaults.top_p, 1.0f);
  sampling.min_p = pick(options.min_p, defaults.min_p, 0.0f);
  sampling.repetition_penalty = pick(options.repetition_penalty, defaults.repetition_penalty, 1.0f);
  const int64_t top_k = options.top_k.value_or(defaults.top_k.value_or(0));
  sampling.top_k = static_cast<int32_t>(std::max<int64_t>(top_k, 0));
  sampling.max_tokens = options.max_tokens;
  sampling.ignore_eos = options.ignore_eos;
  sampling.seed = options.seed ? *options.seed : std::random_device{}();
  ask.stop = options.stop;
  ask.echo = options.echo;
  return ask;
}

// Lets a thread sleep until its outbox has something.
class Bell {
 public:
  void Ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

struct Outcome {
  int64_t num_prompt = 0;
  int64_t num_generated = 0;
  int64_t num_first = 0;  // tokens that were there when the first was seen
  std::chrono::duration<double> to_first{};
  std::chrono::duration<double> total{};
};

std::string Describe(const Outcome& outcome) {
  // Tokens that came together with the first say nothing about the time between tokens.
  const bool came_at_once = outcome.num_generated <= outcome.num_first;
  const double seconds = (came_at_once ? outcome.total : outcome.total - outcome.to_first).count();
  const int64_t count = outcome.num_generated - (came_at_once ? 0 : outcome.num_first);
  const double rate = static_cast<double>(count) / seconds;
  return fmt::format("{} prompt tokens, first token after {:.3f} s, {} tokens, {:.1f} a second\n",
                     outcome.num_prompt, outcome.to_first.count(), outcome.num_generated, rate);
}

// Submits, and prints text until the end.
Outcome Run(const LoadedModel& model, const GenerateOptions& options, const GenerationRequest& ask,
            EngineLoop& loop, std::ostream& out) {
  auto request = std::make_shared<Request>();
  request->id = RequestId{1};
  request->prompt = model.tokenizer->Encode(options.prompt, SpecialTokens::kAdd);
  request->sampling = ask.sampling;
  request->eos_ids = model.eos_ids;
  if (request->prompt.empty()) throw ConfigError("--prompt has no token; give some text");

  Bell bell;
  Outcome outcome{.num_prompt = static_cast<int64_t>(request->prompt.size())};
  const auto outbox = std::make_shared<Outbox>([&bell] { bell.Ring(); });
  CompletionChoice choice(*model.tokenizer, ask, request->prompt, options.prompt);
  const auto start = steady_clock::now();
  if (loop.Submit(request, outbox)) {
    throw ConfigError(fmt::format(
        "the prompt's {} tokens and --max-tokens {} do not fit the context of {} tokens, or its KV "
        "memory",
        outcome.num_prompt, options.max_tokens, model.runner->limits().max_context));
  }
  while (!choice.finished()) {
    bell.Wait();
    out << choice.Advance(outbox->Drain()).text << std::flush;
    if (outcome.num_first > 0) continue;
    outcome.num_first = choice.num_generated();
    outcome.to_first = steady_clock::now() - start;
  }
  outcome.total = steady_clock::now() - start;
  outcome.num_generated = choice.num_generated();
  if (choice.reason() == FinishReason::kFailed) throw DeviceError(choice.message());
  return outcome;
}

}  // namespace

int Generate(const CommandLine& line) {
  GenerateOptions options;
  Settings settings("tandem generate", "Completes a text in this process.");
  AddGenerateSettings(settings, options);
  IgnoreOtherCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  options.model.max_num_seqs = 1;
  const LoadedModel model = LoadModel(options.model);
  const GenerationRequest ask = MakeAsk(options, model.defaults);
  Validate(ask.sampling, model.runner->limits().vocab_size);
  EngineLoop loop(*model.runner, MakeSchedulerConfig(options.model));
  const Outcome outcome = Run(model, options, ask, loop, line.out);
  line.out << '\n' << std::flush;
  if (options.stats) line.err << Describe(outcome);
  return 0;
}

}  // namespace tandem
