#include "trainer/data/sample_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/core/check.h"
#include "kernels/core/error.h"
#include "trainer/data/hash64.h"
#include "trainer/data/value_hash.h"

namespace tandem {
namespace {

using jinja::TextRange;

// A tokenizer's working memory is several times the text.
constexpr size_t kMaxDocumentBytes = size_t{1} << 30;

uint64_t HashOf(const ConversationRecord& record) {
  Hash64 hash;
  HashValue(record.messages, &hash);
  HashValue(record.tools, &hash);
  return hash.Digest();
}

// Whether a text that goes on from another has the tokens that it would have alone.
bool TakesPieces(const Tokenizer& tokenizer) {
  std::string text;
  for (const TokenId id : tokenizer.Encode("a", SpecialTokens::kNone)) {
    text += tokenizer.TokenBytes(id);
  }
  return text == "a";
}

void AppendPiece(const Tokenizer& tokenizer, std::string_view text, bool is_target,
                 TrainSample* sample) {
  const std::vector<TokenId> ids = tokenizer.Encode(text, SpecialTokens::kNone);
  sample->ids.insert(sample->ids.end(), ids.begin(), ids.end());
  sample->is_target.resize(sample->ids.size(), is_target ? 1 : 0);
}

BadRecord TooManyTokens(size_t num_tokens, int64_t max_tokens, std::string_view ways_out) {
  return BadRecord{
      fmt::format("has {} tokens; the limit is {} ({})", num_tokens, max_tokens, ways_out)};
}

}  // namespace

int64_t TrainSample::NumTargets() const {
  if (is_target.empty()) return std::max<int64_t>(0, std::ssize(ids) - 1);
  return std::accumulate(is_target.begin(), is_target.end(), int64_t{0}) - is_target.front();
}

SampleMaker::SampleMaker(const Tokenizer& tokenizer, const ConversationRenderer* renderer,
                         DataFormat format, const SampleOptions& options)
    : tokenizer_(tokenizer),
      renderer_(renderer),
      format_(format),
      options_(options),
      takes_pieces_(TakesPieces(tokenizer)),
      too_long_(options.too_long.value_or(format == DataFormat::kPlainText ? TooLong::kSplit
                                                                           : TooLong::kRefuse)) {
  CHECK(format != DataFormat::kAuto);
  if (options.max_tokens < 3) {
    throw ConfigError(
        fmt::format("samples of at most {} tokens: at least 3 are needed, for bos, "
                    "a token and eos",
                    options.max_tokens));
  }
  if (format == DataFormat::kConversations) {
    if (renderer == nullptr) {
      throw ConfigError("conversations need a chat template: the model directory has none");
    }
    if (too_long_ == TooLong::kSplit) {
      throw ConfigError("conversations cannot be split: refuse or cut those that are too long");
    }
    return;
  }
  const bool needs_ends = options.form == SampleForm::kBosTextEos;
  if (needs_ends && !(tokenizer.bos_id() && tokenizer.eos_id())) {
    throw ConfigError(
        fmt::format("the tokenizer has no {} token: use the sample form of the text alone",
                    tokenizer.bos_id() ? "eos" : "bos"));
  }
}

bool SampleMaker::has_mask() const {
  return format_ == DataFormat::kConversations ||
         (options_.form == SampleForm::kText && tokenizer_.IsSpecial(0));
}

std::variant<MadeSamples, BadRecord> SampleMaker::Make(const SourceDocument& document) const {
  if (document.text.size() > kMaxDocumentBytes) {
    return BadRecord{
        fmt::format("a document of {} bytes; the limit is {}: name the line that "
                    "separates documents, or divide the file",
                    document.text.size(), kMaxDocumentBytes)};
  }
  if (format_ == DataFormat::kConversations) {
    auto read = ReadConversationRecord(document.text);
    if (auto* bad = std::get_if<BadRecord>(&read)) return std::move(*bad);
    return MakeFromConversation(std::get<ConversationRecord>(std::move(read)), document.line - 1);
  }
  if (format_ == DataFormat::kTextRecords) {
    auto read = ReadTextRecord(document.text);
    if (auto* bad = std::get_if<BadRecord>(&read)) return std::move(*bad);
    return MakeFromText(std::get<TextRecord>(read).text);
  }
  if (std::string problem = FindTextProblem(document.text); !problem.empty()) {
    return BadRecord{std::move(problem)};
  }
  return MakeFromText(document.text);
}

TrainSample SampleMaker::EncodeText(std::string_view text) const {
  TrainSample sample;
  std::vector<TokenId> ids = tokenizer_.Encode(text, SpecialTokens::kNone);
  if (options_.form == SampleForm::kText) {
    sample.ids = std::move(ids);
    if (has_mask()) {
      for (const TokenId id : sample.ids) sample.is_target.push_back(id != 0 ? 1 : 0);
    }
    return sample;
  }
  sample.ids.reserve(ids.size() + 2);
  sample.ids.push_back(*tokenizer_.bos_id());
  sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
  sample.ids.push_back(*tokenizer_.eos_id());
  return sample;
}

std::variant<MadeSamples, BadRecord> SampleMaker::MakeFromText(std::string_view text) const {
  auto made = Fit(EncodeText(text));
  if (auto* samples = std::get_if<MadeSamples>(&made)) samples->content_hash = Hash64Of(text);
  return made;
}

std::variant<MadeSamples, BadRecord> SampleMaker::MakeFromConversation(
    ConversationRecord record, int64_t document_index) const {
  const uint64_t hash = HashOf(record);
  MaybeAddSystemPrompt(options_.preprocessing, document_index, &record);
  auto rendered = renderer_->Render(record);
  if (auto* bad = std::get_if<BadRecord>(&rendered)) return std::move(*bad);
  MadeSamples made{.samples = {}, .content_hash = hash};
  for (auto& conversation : std::get<std::vector<RenderedConversation>>(rendered)) {
    MaybeRemoveEmptyThinking(options_.preprocessing, document_index, &conversation);
    auto fitted = MakeFromRendering(conversation);
    if (auto* bad = std::get_if<BadRecord>(&fitted)) return std::move(*bad);
    auto& one = std::get<MadeSamples>(fitted);
    made.samples.push_back(std::move(one.samples.front()));
    made.num_cut_tokens += one.num_cut_tokens;
  }
  return made;
}

std::variant<MadeSamples, BadRecord> SampleMaker::MakeFromRendering(
    const RenderedConversation& rendered) const {
  std::optional<TrainSample> sample =
      takes_pieces_ ? EncodeInPieces(rendered) : EncodeWhole(rendered);
  if (!sample) {
    return BadRecord{
        "the tokenizer changes its characters, so that where the answers lie cannot be told"};
  }
  return Fit(*std::move(sample));
}

TrainSample SampleMaker::EncodeInPieces(const RenderedConversation& rendered) const {
  const std::string_view text = rendered.text;
  TrainSample sample;
  size_t at = 0;
  for (const TextRange& answer : rendered.answers) {
    CHECK(at <= answer.begin && answer.begin < answer.end && answer.end <= text.size());
    AppendPiece(tokenizer_, text.substr(at, answer.begin - at), /*is_target=*/false, &sample);
    AppendPiece(tokenizer_, text.substr(answer.begin, answer.end - answer.begin),
                /*is_target=*/true, &sample);
    at = answer.end;
  }
  AppendPiece(tokenizer_, text.substr(at), /*is_target=*/false, &sample);
  return sample;
}

// By counting the bytes of the tokens, which must be those of the text but for a space before it.
std::optional<TrainSample> SampleMaker::EncodeWhole(const RenderedConversation& rendered) const {
  TrainSample sample;
  sample.ids = tokenizer_.Encode(rendered.text, SpecialTokens::kNone);
  std::string text;
  for (const TokenId id : sample.ids) text += tokenizer_.TokenBytes(id);
  if (text != rendered.text && text != ' ' + rendered.text) return std::nullopt;
  const size_t extra = text.size() - rendered.text.size();
  size_t end = 0;
  size_t answer = 0;
  for (const TokenId id : sample.ids) {
    const size_t begin = end;
    end += tokenizer_.TokenBytes(id).size();
    while (answer < rendered.answers.size() && rendered.answers[answer].end + extra <= begin) {
      ++answer;
    }
    const bool is_target =
        answer < rendered.answers.size() && end > rendered.answers[answer].begin + extra;
    sample.is_target.push_back(is_target ? 1 : 0);
  }
  return sample;
}

std::variant<MadeSamples, BadRecord> SampleMaker::Fit(TrainSample sample) const {
  MadeSamples made;
  const auto max_tokens = static_cast<size_t>(options_.max_tokens);
  if (sample.ids.size() <= max_tokens) {
    made.samples.push_back(std::move(sample));
  } else if (too_long_ == TooLong::kRefuse) {
    return TooManyTokens(
        sample.ids.size(), options_.max_tokens,
        format_ == DataFormat::kConversations ? "it may be cut" : "it may be cut or split");
  } else if (too_long_ == TooLong::kSplit) {
    made.samples = SplitSample(sample, options_.max_tokens);
  } else {
    made.num_cut_tokens = static_cast<int64_t>(sample.ids.size() - max_tokens);
    const bool keeps_eos =
        format_ != DataFormat::kConversations && options_.form == SampleForm::kBosTextEos;
    if (keeps_eos) sample.ids[max_tokens - 1] = sample.ids.back();
    sample.ids.resize(max_tokens);
    if (!sample.is_target.empty()) sample.is_target.resize(max_tokens);
    made.samples.push_back(std::move(sample));
  }
  // A text of nothing but padding tokens; some of a split one may be such.
  std::erase_if(made.samples, [](const TrainSample& one) { return one.NumTargets() == 0; });
  if (made.samples.empty()) {
    return BadRecord{
        made.num_cut_tokens > 0
            ? fmt::format("nothing to learn is left in its first {} tokens", max_tokens)
            : std::string("has no token to learn behind its first one")};
  }
  return made;
}

std::vector<TrainSample> SplitSample(const TrainSample& sample, int64_t max_tokens) {
  CHECK(max_tokens >= 2);
  std::vector<TrainSample> pieces;
  const auto size = std::ssize(sample.ids);
  for (int64_t begin = 0; begin + 1 < size; begin += max_tokens - 1) {
    const int64_t end = std::min(size, begin + max_tokens);
    TrainSample& piece = pieces.emplace_back();
    piece.ids.assign(sample.ids.begin() + begin, sample.ids.begin() + end);
    if (sample.is_target.empty()) continue;
    piece.is_target.assign(sample.is_target.begin() + begin, sample.is_target.begin() + end);
  }
  return pieces;
}

}  // namespace tandem
