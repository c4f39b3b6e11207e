#include "trainer/evaluation/text_evaluation.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/base/mapped_file.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "trainer/data/data_record.h"
#include "trainer/evaluation/text_windows.h"

namespace tandem {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

// Sequences wait until there are enough of them for some full steps.
class PendingWindows {
 public:
  PendingWindows(SequenceScorer& scorer, TextScore& score) : scorer_(scorer), score_(score) {}

  void Add(TrainSample window) {
    num_tokens_ += std::ssize(window.ids);
    ids_.push_back(std::move(window.ids));
    is_target_.push_back(std::move(window.is_target));
    if (num_tokens_ >= scorer_.batch_tokens()) Flush();
  }

  void Flush() {
    const std::vector<std::vector<float>> logprobs = scorer_.Score(ids_);
    for (size_t w = 0; w < ids_.size(); ++w) {
      for (size_t i = 1; i < ids_[w].size(); ++i) {
        if (is_target_[w][i] == 0) continue;
        const double nats = -static_cast<double>(logprobs[w][i - 1]);
        TokenLoss& of_range = score_.by_position[PositionRangeOf(static_cast<int64_t>(i))];
        for (TokenLoss* loss : {&score_.loss, &of_range}) {
          loss->nats += nats;
          ++loss->num_tokens;
        }
      }
    }
    score_.num_windows += std::ssize(ids_);
    ids_.clear();
    is_target_.clear();
    num_tokens_ = 0;
  }

 private:
  SequenceScorer& scorer_;
  TextScore& score_;
  std::vector<std::vector<TokenId>> ids_;
  std::vector<std::vector<uint8_t>> is_target_;  // parallel to ids_
  int64_t num_tokens_ = 0;
};

// The text of a document that is no conversation.
std::variant<TextRecord, BadRecord> TextOf(const SourceDocument& document, DataFormat format) {
  if (format == DataFormat::kTextRecords) return ReadTextRecord(document.text);
  if (std::string problem = FindTextProblem(document.text); !problem.empty()) {
    return BadRecord{std::move(problem)};
  }
  return TextRecord{std::string(document.text)};
}

class FileEvaluation {
 public:
  FileEvaluation(const EvaluationInputs& inputs, const DataSource& source,
                 const TextEvaluationOptions& options)
      : inputs_(inputs),
        source_(source),
        options_(options),
        file_(source.path),
        content_(WithoutByteOrderMark(
            {reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()})),
        format_(ResolveFormat(source, content_)),
        context_(options.context > 0 ? options.context : inputs.scorer.max_context()),
        pending_(inputs.scorer, score_) {
    if (format_ == DataFormat::kConversations) {
      maker_.emplace(inputs.tokenizer, inputs.renderer, format_,
                     SampleOptions{.max_tokens = context_, .too_long = TooLong::kRefuse});
    } else {
      start_ = StartToken(inputs.tokenizer);
    }
  }

  TextScore Run() {
    const DocumentSplit split(content_, format_, source_.separator);
    for (const SourceBlock& block : split.Blocks(kBlockBytes)) {
      for (const SourceDocument& document : split.DocumentsIn(block).documents) {
        const std::optional<BadRecord> bad = maker_ ? AddConversation(document) : AddText(document);
        if (bad) {
          Refuse(document, *bad);
        } else {
          ++score_.num_documents;
        }
      }
    }
    pending_.Flush();
    if (score_.loss.num_tokens == 0) {
      throw FormatError(Quoted(source_.path.string()) + " has no document to evaluate");
    }
    score_.name = source_.path.string();
    return std::move(score_);
  }

 private:
  std::optional<BadRecord> AddText(const SourceDocument& document) {
    auto read = TextOf(document, format_);
    if (auto* bad = std::get_if<BadRecord>(&read)) return std::move(*bad);
    const std::string& text = std::get<TextRecord>(read).text;
    const std::vector<TokenId> ids = inputs_.tokenizer.Encode(text, SpecialTokens::kNone);
    if (ids.empty()) return BadRecord{"the tokenizer leaves nothing of it"};
    const TextWindows windows(ids,
                              {.start = start_,
                               .context = context_,
                               .stride = options_.stride > 0 ? options_.stride : context_ - 1});
    for (int64_t i = 0; i < windows.num_windows(); ++i) pending_.Add(windows.Window(i));
    score_.num_bytes += std::ssize(text);
    if (inputs_.tokenizer.Decode(ids, /*skip_special=*/false) != text) ++score_.num_changed;
    return std::nullopt;
  }

  std::optional<BadRecord> AddConversation(const SourceDocument& document) {
    auto made = maker_->Make(document);
    if (auto* bad = std::get_if<BadRecord>(&made)) return std::move(*bad);
    for (TrainSample& sample : std::get<MadeSamples>(made).samples) {
      sample.is_target.resize(sample.ids.size(), 1);
      for (size_t i = 1; i < sample.ids.size(); ++i) {
        if (sample.is_target[i] == 0 || inputs_.tokenizer.IsSpecial(sample.ids[i])) continue;
        score_.num_bytes += std::ssize(inputs_.tokenizer.TokenBytes(sample.ids[i]));
      }
      pending_.Add(std::move(sample));
    }
    return std::nullopt;
  }

  void Refuse(const SourceDocument& document, const BadRecord& bad) {
    ++score_.num_bad;
    if (options_.on_bad_line == OnBadLine::kSkip) return;
    throw FormatError(fmt::format("{}:{}: {}; correct it, or --on-bad-line skip leaves it out",
                                  Printable(source_.path.string()), document.line, bad.reason));
  }

  const EvaluationInputs& inputs_;
  const DataSource& source_;
  const TextEvaluationOptions& options_;
  MappedFile file_;
  std::string_view content_;
  DataFormat format_;
  int64_t context_;
  TokenId start_ = 0;                 // texts only
  std::optional<SampleMaker> maker_;  // conversations only
  TextScore score_;
  PendingWindows pending_;
};

}  // namespace

double TokenLoss::perplexity() const { return std::exp(mean()); }

int64_t FirstOfPositionRange(size_t range) { return range == 0 ? 1 : int64_t{4} << (2 * range); }

size_t PositionRangeOf(int64_t position) {
  size_t range = 0;
  while (range + 1 < kNumPositionRanges && position >= FirstOfPositionRange(range + 1)) ++range;
  return range;
}

double TextScore::bits_per_byte() const {
  return loss.nats / std::numbers::ln2 / static_cast<double>(num_bytes);
}

void TextScore::Add(const TextScore& other) {
  const auto add = [](TokenLoss& to, const TokenLoss& from) {
    to.num_tokens += from.num_tokens;
    to.nats += from.nats;
  };
  add(loss, other.loss);
  for (size_t i = 0; i < kNumPositionRanges; ++i) add(by_position[i], other.by_position[i]);
  num_bytes += other.num_bytes;
  num_documents += other.num_documents;
  num_windows += other.num_windows;
  seconds += other.seconds;
  num_bad += other.num_bad;
  num_changed += other.num_changed;
}

TokenId StartToken(const Tokenizer& tokenizer) {
  if (const auto bos = tokenizer.bos_id()) return *bos;
  if (const auto eos = tokenizer.eos_id()) return *eos;
  throw ConfigError(
      "the tokenizer has neither a bos nor an eos token: nothing can stand before the first token "
      "of a text; name one in tokenizer_config.json");
}

void CheckWindows(const TextEvaluationOptions& options, int64_t max_context) {
  const int64_t context = options.context > 0 ? options.context : max_context;
  if (context > max_context) {
    throw ConfigError(
        fmt::format("--context {} is more than the model's {}; --rope-scaling lengthens that",
                    context, max_context));
  }
  if (options.stride >= context) {
    throw ConfigError(fmt::format(
        "--stride {} leaves tokens out between windows of {} (one is the start): at most {}",
        options.stride, context, context - 1));
  }
}

TextScore EvaluateText(const EvaluationInputs& inputs, const DataSource& source,
                       const TextEvaluationOptions& options) {
  CheckWindows(options, inputs.scorer.max_context());
  const auto start = std::chrono::steady_clock::now();
  TextScore score = FileEvaluation(inputs, source, options).Run();
  score.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return score;
}

}  // namespace tandem
