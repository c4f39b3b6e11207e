#include "engine/text/pre_tokenizer.h"

#include <utility>

namespace tandem {
namespace {

struct Piece {
  size_t begin;
  size_t end;
  bool is_match;
};

// The whole text, as matches and what lies between them.
void ListPieces(std::string_view text, bool invert, const std::vector<Regex::Match>& matches,
                std::vector<Piece>* pieces) {
  pieces->clear();
  size_t done = 0;
  for (const auto& match : matches) {
    if (match.begin > done) pieces->push_back({done, match.begin, invert});
    pieces->push_back({match.begin, match.end, !invert});
    done = match.end;
  }
  if (done < text.size()) pieces->push_back({done, text.size(), invert});
}

// Whether `piece` continues the word that ends with `previous`.
bool Joins(SplitBehavior behavior, const Piece& previous, const Piece& piece) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      return false;
    case SplitBehavior::kMergedWithPrevious:
      return piece.is_match && !previous.is_match;
    case SplitBehavior::kMergedWithNext:
      return !piece.is_match && previous.is_match;
    case SplitBehavior::kContiguous:
      return piece.is_match == previous.is_match;
  }
  return false;
}

// One pass of the chain over all words so far.
class Pass {
 public:
  Pass(const std::vector<std::string_view>& in, bool at_start, Words* words,
       std::vector<std::string_view>* out)
      : in_(in), at_start_(at_start), words_(words), out_(out) {}

  void operator()(const SplitStep& step) {
    for (const std::string_view text : in_) {
      step.pattern.FindAll(text, &matches_);
      ListPieces(text, step.invert, matches_, &pieces_);
      for (size_t i = 0; i < pieces_.size();) {
        size_t last = i;
        while (last + 1 < pieces_.size() &&
               Joins(step.behavior, pieces_[last], pieces_[last + 1])) {
          ++last;
        }
        const bool removed = step.behavior == SplitBehavior::kRemoved && pieces_[i].is_match;
        if (!removed) Add(text.substr(pieces_[i].begin, pieces_[last].end - pieces_[i].begin));
        i = last + 1;
      }
    }
  }

  void operator()(const PrefixSpaceStep&) {
    for (const std::string_view text : in_) {
      if (text.starts_with(' ')) {
        Add(text);
      } else {
        std::string prefixed(1, ' ');
        prefixed += text;
        Add(Own(std::move(prefixed)));
      }
    }
  }

  void operator()(const MetaspaceStep& step) {
    using Prepend = MetaspaceStep::Prepend;
    for (size_t i = 0; i < in_.size(); ++i) {
      std::string written;
      for (const char c : in_[i]) {
        if (c == ' ') {
          written += step.replacement;
        } else {
          written += c;
        }
      }
      const bool wanted = step.prepend == Prepend::kAlways ||
                          (step.prepend == Prepend::kFirst && at_start_ && i == 0);
      if (wanted && !written.starts_with(step.replacement)) written = step.replacement + written;
      AddMetaspaceWords(Own(std::move(written)), step);
    }
  }

 private:
  void Add(std::string_view word) {
    if (!word.empty()) out_->push_back(word);
  }

  std::string_view Own(std::string text) { return words_->owned.emplace_back(std::move(text)); }

  void AddMetaspaceWords(std::string_view text, const MetaspaceStep& step) {
    size_t begin = 0;
    while (step.split && begin < text.size()) {
      const size_t next = text.find(step.replacement, begin + 1);
      if (next == text.npos) break;
      Add(text.substr(begin, next - begin));
      begin = next;
    }
    Add(text.substr(begin));
  }

  const std::vector<std::string_view>& in_;
  bool at_start_;
  Words* words_;
  std::vector<std::string_view>* out_;
  std::vector<Regex::Match> matches_;
  std::vector<Piece> pieces_;
};

}  // namespace

void PreTokenizer::Split(std::string_view text, bool at_start, Words* words) const {
  words->owned.clear();
  words->views.assign(1, text);
  std::vector<std::string_view> next;
  for (const Step& step : steps_) {
    next.clear();
    Pass pass(words->views, at_start, words, &next);
    std::visit(pass, step);
    words->views.swap(next);
  }
}

}  // namespace tandem
