#include "trainer/cli/train_tokenizer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ostream>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/error.h"
#include "kernels/core/thread_pool.h"
#include "trainer/cli/commands.h"
#include "trainer/tokenizer/bpe_trainer.h"
#include "trainer/tokenizer/count_words.h"
#include "trainer/tokenizer/tokenizer_writer.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A tokenizer is half of a model: one that is in use is not replaced by accident.
// Minutes of learning are not lost to a place that cannot be written.
void CheckOutput(const TrainTokenizerOptions& options) {
  std::filesystem::path there = std::filesystem::absolute(options.output);
  while (!std::filesystem::exists(there)) there = there.parent_path();
  if (!std::filesystem::is_directory(there)) {
    throw ConfigError("--output " + Quoted(options.output.string()) + ": " +
                      Quoted(there.string()) + " is not a directory");
  }
  if (access(there.c_str(), W_OK) != 0) {
    throw ConfigError("--output " + Quoted(options.output.string()) + ": " +
                      Quoted(there.string()) + " cannot be written to; give another place");
  }
  const std::filesystem::path file = options.output / "tokenizer.json";
  if (options.overwrite || !std::filesystem::exists(file)) return;
  throw ConfigError(Quoted(file.string()) +
                    " is there already; give another --output, or --overwrite to replace it");
}

WordCounts ReadWords(const TrainTokenizerOptions& options, std::ostream& out) {
  const auto start = Clock::now();
  const std::vector<std::filesystem::path> paths(options.data.begin(), options.data.end());
  const CorpusReader corpus(paths, options.text_unit);
  ThreadPool pool(options.threads > 0 ? static_cast<int>(options.threads) : AvailableProcessors());
  WordCounts words = CountWords(corpus, options.pattern, pool);
  out << fmt::format("corpus            {} in {} {}, {} of text\n",
                     FormatBytes(corpus.size_bytes()), paths.size(),
                     paths.size() == 1 ? "file" : "files", FormatBytes(words.total_bytes()));
  out << fmt::format("words             {}, {} different ({:.1f} s on {} threads)\n",
                     FormatCount(words.num_words()),
                     FormatCount(static_cast<int64_t>(words.entries().size())), SecondsSince(start),
                     pool.num_threads());
  if (words.num_words() == 0) throw FormatError("--data holds no text");
  return words;
}

void PrintResult(const WordCounts& words, const TrainedBpe& bpe, size_t num_added,
                 std::ostream& out) {
  out << fmt::format("vocabulary        {} tokens, {} of them added\n",
                     FormatCount(static_cast<int64_t>(bpe.tokens.size())), num_added);
  out << fmt::format(
      "compression       {:.3f} bytes a token, {} tokens\n",
      static_cast<double>(words.total_bytes()) / static_cast<double>(bpe.num_corpus_tokens),
      FormatCount(bpe.num_corpus_tokens));
}

void WarnIfSmall(const TrainTokenizerOptions& options, const TrainedBpe& bpe, std::ostream& err) {
  const auto size = static_cast<int64_t>(bpe.tokens.size());
  if (size == options.vocab_size) return;
  const std::string reason =
      options.min_frequency > 1
          ? fmt::format("every pair that is left occurs fewer than {} times", options.min_frequency)
          : "every word is a token";
  err << fmt::format("the corpus is too small for {} tokens: {} were learned, then {}. ",
                     options.vocab_size, size, reason)
      << fmt::format("Give more text, or the model a vocabulary of {}\n", size);
}

}  // namespace

void AddTrainTokenizerSettings(Settings& settings, TrainTokenizerOptions& options) {
  settings.AddPositional(
      "data", &options.data,
      {.help = "text to learn from: plain text, or *.jsonl with \"text\" or \"conversations\"",
       .value_name = "FILE",
       .required = true});
  settings.Add("output", &options.output,
               {.help = "directory for tokenizer.json and tokenizer_config.json",
                .value_name = "DIR",
                .required = true});
  settings.Add("vocab-size", &options.vocab_size,
               {.help = "tokens in all, special tokens and the 256 bytes included",
                .min = 256,
                .max = 1 << 24});
  settings.Add("min-frequency", &options.min_frequency,
               {.help = "how often a pair occurs at least to become a token", .min = 0});
  settings.AddChoice("pattern", &options.pattern,
                     {{"gpt2", KnownPattern::kGpt2},
                      {"qwen2", KnownPattern::kQwen},
                      {"llama3", KnownPattern::kLlama3}},
                     {.help = "whose rule cuts text into words"});
  settings.AddChoice("special-tokens", &options.special_tokens,
                     {{"minimind", TokenPreset::kMiniMind}, {"chatml", TokenPreset::kChatMl}},
                     {.help = "minimind: 36, with tools and thinking; chatml: 3"});
  settings.AddChoice("text-unit", &options.text_unit,
                     {{"line", TextUnit::kLine}, {"file", TextUnit::kFile}},
                     {.help = "what words of plain text do not reach beyond"});
  settings.Add(
      "threads", &options.threads,
      {.help = "for reading; 0: one a processor. The result is the same", .min = 0, .max = 1024});
  settings.Add("overwrite", &options.overwrite, {.help = "replace a tokenizer that is there"});
}

int TrainTokenizer(const CommandLine& line) {
  TrainTokenizerOptions options;
  Settings settings("tandem-train tokenizer", "Learns a byte-level BPE tokenizer from text.");
  AddTrainTokenizerSettings(settings, options);
  IgnoreOtherTrainCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  CheckOutput(options);
  const std::vector<AddedTokenRow> added = AddedTokensOf(options.special_tokens);
  CheckVocabSize(options.vocab_size, added.size());
  const WordCounts words = ReadWords(options, line.out);
  std::vector<std::string> names;
  for (const AddedTokenRow& token : added) names.emplace_back(token.content);
  const auto start = Clock::now();
  const TrainedBpe bpe = TrainBpe(
      words, names, {.vocab_size = options.vocab_size, .min_frequency = options.min_frequency});
  line.out << fmt::format("merges            {} ({:.1f} s)\n",
                          FormatCount(static_cast<int64_t>(bpe.merges.size())),
                          SecondsSince(start));
  PrintResult(words, bpe, added.size(), line.out);
  WarnIfSmall(options, bpe, line.err);
  WriteTokenizer({.bpe = bpe, .pattern = options.pattern, .added_tokens = added}, options.output);
  line.out << fmt::format("written           {}\n", Printable(options.output.string()));
  return 0;
}

}  // namespace tandem
