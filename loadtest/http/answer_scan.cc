#include "loadtest/http/answer_scan.h"

#include <array>
#include <charconv>

namespace tandem {
namespace {

constexpr size_t kMaxDepth = 64;  // of brackets; deeper text is not an answer

// Walks over the text once. `names_` holds the name under which each open bracket's present value
// stands: "" in arrays.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  AnswerScan Run() {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != '{') return found_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '{' || c == '[') {
        if (!Open(c)) return found_;
      } else if (c == '}' || c == ']') {
        if (!Close()) return found_;
        if (depth_ == 0) {
          found_.is_json = true;
          return found_;
        }
      } else if (c == ',') {
        expects_name_ = is_object_[depth_ - 1];
        ++at_;
      } else if (c == '"') {
        const std::optional<std::string_view> string = TakeString();
        if (!string) return found_;
        if (expects_name_) {
          TakeName(*string);
        } else {
          OnString(*string);
        }
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++at_;
      } else {
        OnWord(TakeWord());
      }
    }
    return found_;
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) {
      ++at_;
    }
  }

  bool Open(char c) {
    if (depth_ == kMaxDepth) return false;
    if (c == '{' && depth_ == 2 && IsAt(0, "choices")) found_.has_choice = true;
    if (c == '{' && depth_ == 1 && IsAt(0, "error")) found_.has_error = true;
    if (IsTokenIds()) ids_begin_ = at_ + 1;
    names_[depth_] = "";
    is_object_[depth_] = c == '{';
    ++depth_;
    expects_name_ = c == '{';
    ++at_;
    return true;
  }

  bool Close() {
    if (is_object_[depth_ - 1] != (text_[at_] == '}')) return false;
    --depth_;
    if (IsTokenIds()) found_.token_ids = text_.substr(ids_begin_, at_ - ids_begin_);
    expects_name_ = false;
    ++at_;
    return true;
  }

  // From the quote to behind its end; the characters between.
  std::optional<std::string_view> TakeString() {
    const size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return std::nullopt;
    return text_.substr(begin, at_++ - begin);
  }

  void TakeName(std::string_view name) {
    names_[depth_ - 1] = name;
    expects_name_ = false;
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == ':') ++at_;
  }

  std::string_view TakeWord() {
    const size_t end = text_.find_first_of(",]} \t\r\n", at_);
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end == text_.npos ? text_.size() : (word.empty() ? end + 1 : end);
    return word;
  }

  bool IsAt(size_t level, std::string_view name) const { return names_[level] == name; }

  // Whether the present value is choices[].token_ids.
  bool IsTokenIds() const { return depth_ == 3 && IsAt(0, "choices") && IsAt(2, "token_ids"); }

  void OnString(std::string_view value) {
    if (depth_ >= 3 && IsAt(0, "choices")) {
      OnChoiceString(value);
    } else if (depth_ == 1 && IsAt(0, "text")) {  // /generate
      SetText(value);
    } else if (IsAt(0, "error")) {
      found_.has_error = true;
      if (depth_ == 1 || (depth_ == 2 && IsAt(1, "message"))) found_.message = value;
    } else if (depth_ == 3 && IsAt(0, "data") && IsAt(2, "id") && found_.first_id.empty()) {
      found_.first_id = value;
    }
  }

  // choices[].text, choices[].delta.content, choices[].message.content, and their reasoning.
  void OnChoiceString(std::string_view value) {
    if (depth_ == 3) {
      if (IsAt(2, "text")) SetText(value);
      if (IsAt(2, "finish_reason")) found_.has_finish = true;
      return;
    }
    if (!IsAt(2, "delta") && !IsAt(2, "message")) return;
    if (depth_ == 4 && IsAt(3, "content")) {
      SetText(value);
    } else if (depth_ == 4 && (IsAt(3, "reasoning_content") || IsAt(3, "reasoning"))) {
      found_.has_text = found_.has_text || !value.empty();
    } else if (IsAt(3, "tool_calls") && names_[depth_ - 1] == "arguments") {
      found_.has_text = found_.has_text || !value.empty();
    }
  }

  void SetText(std::string_view value) {
    if (value.empty()) return;
    found_.has_text = true;
    found_.text = value;
  }

  void OnWord(std::string_view word) {
    if (depth_ == 1 && IsAt(0, "error") && word != "null") found_.has_error = true;
    int64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size()) return;
    if (depth_ == 1 && IsAt(0, "tokens")) found_.completion_tokens = number;
    if (depth_ == 3 && IsAt(0, "data") && IsAt(2, "max_model_len")) {
      if (!found_.first_max_model_len) found_.first_max_model_len = number;
    }
    if (depth_ < 2 || !IsAt(0, "usage")) return;
    if (depth_ == 2 && IsAt(1, "prompt_tokens")) found_.prompt_tokens = number;
    if (depth_ == 2 && IsAt(1, "completion_tokens")) found_.completion_tokens = number;
    if (depth_ == 3 && IsAt(1, "prompt_tokens_details") && IsAt(2, "cached_tokens")) {
      found_.cached_tokens = number;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t depth_ = 0;
  size_t ids_begin_ = 0;  // of the last list of token ids
  bool expects_name_ = false;
  std::array<std::string_view, kMaxDepth> names_;
  std::array<bool, kMaxDepth> is_object_{};
  AnswerScan found_;
};

}  // namespace

AnswerScan ScanAnswer(std::string_view json) { return Scanner(json).Run(); }

}  // namespace tandem
