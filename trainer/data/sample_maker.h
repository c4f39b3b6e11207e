#pragma once
// A document becomes samples: token ids, and which of them the model is to learn to say. Immutable;
// any thread.
//
// The loss mask of a conversation falls on whole tokens because the rendering is tokenised in
// pieces that begin and end with the answers: the model begins an answer with exactly the tokens
// that a server's prompt leaves it with. (At the answers of chat templates the pieces end in
// special tokens or line ends, where tokenizers cut anyway.) A tokenizer that puts a space before
// every text (SentencePiece) gets the whole rendering, and a token that reaches into an answer is
// part of it; a conversation of which it changes other characters is refused.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/text/tokenizer.h"
#include "trainer/data/conversation_renderer.h"
#include "trainer/data/data_record.h"
#include "trainer/data/data_source.h"
#include "trainer/data/minimind_preprocessing.h"

namespace tandem {

enum class SampleForm : uint8_t {
  kBosTextEos,  // bos, the text, eos; all but bos are learned
  kText,        // the text alone; a special token with id 0, which pads elsewhere, is not learned
};

// What becomes of a document that is longer than max_tokens.
enum class TooLong : uint8_t {
  kRefuse,  // a bad line
  kCut,     // its beginning; a text keeps its eos
  // Texts only: consecutive samples of max_tokens. Each begins with the last token of the one
  // before, so that every token is learned once.
  kSplit,
};

struct SampleOptions {
  SampleForm form = SampleForm::kBosTextEos;  // of texts
  int64_t max_tokens = 512;                   // of a sample, bos and eos included; at least 3
  // None: kSplit for plain text (a book is longer than any context), else kRefuse.
  std::optional<TooLong> too_long = {};
  MiniMindPreprocessing preprocessing = {};  // of conversations
};

struct TrainSample {
  std::vector<TokenId> ids;
  std::vector<uint8_t> is_target;  // 0 or 1 for each id; empty: all are. The first id never is one

  int64_t NumTargets() const;
};

struct MadeSamples {
  std::vector<TrainSample> samples;  // not empty, each with a target
  uint64_t content_hash = 0;         // equal documents have equal ones, whatever the options
  int64_t num_cut_tokens = 0;
};

class SampleMaker {
 public:
  // `renderer` may be null unless conversations are read; both are borrowed. Throws ConfigError
  // when the options contradict each other or the tokenizer lacks bos or eos.
  SampleMaker(const Tokenizer& tokenizer, const ConversationRenderer* renderer, DataFormat format,
              const SampleOptions& options);

  std::variant<MadeSamples, BadRecord> Make(const SourceDocument& document) const;

  // Whether a sample may have tokens besides the first that are not learned.
  bool has_mask() const;

 private:
  std::variant<MadeSamples, BadRecord> MakeFromText(std::string_view text) const;
  std::variant<MadeSamples, BadRecord> MakeFromConversation(ConversationRecord record,
                                                            int64_t document_index) const;
  std::variant<MadeSamples, BadRecord> MakeFromRendering(
      const RenderedConversation& rendered) const;
  TrainSample EncodeText(std::string_view text) const;
  TrainSample EncodeInPieces(const RenderedConversation& rendered) const;
  std::optional<TrainSample> EncodeWhole(const RenderedConversation& rendered) const;
  std::variant<MadeSamples, BadRecord> Fit(TrainSample sample) const;

  const Tokenizer& tokenizer_;
  const ConversationRenderer* renderer_;
  DataFormat format_;
  SampleOptions options_;
  bool takes_pieces_;  // the tokenizer puts no space before every text
  TooLong too_long_;
};

// What kSplit makes of a sample: pieces of at most max_tokens (at least 2).
std::vector<TrainSample> SplitSample(const TrainSample& sample, int64_t max_tokens);

}  // namespace tandem
