// tandem generate: completes a text in this process and prints it as it comes.

#include <fmt/format.h>

#include <ostream>
#include <random>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "api/cli/generate_options.h"
#include "api/cli/local_engine.h"

namespace tandem {

namespace {

GenerationRequest MakeAsk(const GenerateOptions& options, const GenerationConfig& defaults) {
  GenerationRequest ask;
  ask.sampling = MakeSampling(options.sampling, defaults);
  ask.sampling.max_tokens = options.max_tokens;
  ask.sampling.ignore_eos = options.ignore_eos;
  if (!options.sampling.seed) ask.sampling.seed = std::random_device{}();
  ask.stop = options.stop;
  ask.echo = options.echo;
  return ask;
}

std::string Describe(const LocalAnswer& answer) {
  return fmt::format("{} prompt tokens, first token after {:.3f} s, {} tokens, {:.1f} a second\n",
                     answer.num_prompt, answer.to_first.count(), answer.num_generated,
                     answer.tokens_per_second());
}

}  // namespace

int Generate(const CommandLine& line) {
  GenerateOptions options;
  Settings settings("tandem generate", kGenerateSummary);
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
  LocalEngine engine(model, options.model);
  const LocalAnswer answer = engine.Run(
      {model.tokenizer->Encode(options.prompt, SpecialTokens::kAdd), options.prompt}, ask,
      {.on_text = [&](std::string_view text) { line.out << text << std::flush; },
       .keep_going = [] { return true; }});
  line.out << '\n' << std::flush;
  if (options.stats) line.err << Describe(answer);
  return 0;
}

}  // namespace tandem
