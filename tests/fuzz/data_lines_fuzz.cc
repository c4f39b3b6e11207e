// JSONL and plain text as training data: every byte lies in one block, documents do not depend on
// the blocks, and what is accepted is fit to learn from. Bad lines are values; nothing is thrown.

#include <algorithm>
#include <string>
#include <vector>

#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"
#include "trainer/data/conversation_renderer.h"
#include "trainer/data/data_record.h"
#include "trainer/data/data_source.h"
#include "trainer/data/minimind_preprocessing.h"
#include "trainer/data/value_hash.h"

namespace tandem {
namespace {

constexpr std::string_view kTemplate =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + ('<think>\n\n</think>\n\n' if "
    "m.role "
    "== 'assistant' else '') + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' }}"
    "{% endif %}";

std::vector<std::string> DocumentsOf(std::string_view content, DataFormat format,
                                     const std::optional<std::string>& separator,
                                     size_t block_bytes) {
  const DocumentSplit split(content, format, separator);
  std::vector<std::string> documents;
  size_t end = 0;
  int64_t next_line = 1;
  for (const SourceBlock& block : split.Blocks(block_bytes)) {
    CHECK(block.begin == end && block.end > end && block.first_line == next_line);
    end = block.end;
    next_line += block.num_lines;
    for (const SourceDocument& document : split.DocumentsIn(block).documents) {
      CHECK(document.line >= block.first_line && document.line < next_line, document.line);
      documents.push_back(std::to_string(document.line) + ' ' + std::string(document.text));
    }
  }
  CHECK(end == content.size());
  return documents;
}

void CheckAnswers(const RenderedConversation& rendered) {
  size_t end = 0;
  CHECK(!rendered.answers.empty());
  for (const jinja::TextRange& range : rendered.answers) {
    CHECK(range.begin >= end && range.begin < range.end && range.end <= rendered.text.size());
    end = range.end;
  }
}

void CheckConversation(const ConversationRecord& record) {
  static const ConversationRenderer renderer(ChatTemplate(kTemplate, "fuzz"));
  static const ConversationRenderer one_each(ChatTemplate(kTemplate, "fuzz"),
                                             {.answers = AnswersPerSample::kOne});
  const auto& messages = record.messages.list().items;
  CHECK(std::any_of(messages.begin(), messages.end(), [](const jinja::Value& message) {
    return message.dict().Find("role")->AsText() == "assistant";
  }));
  Hash64 hash;
  HashValue(record.messages, &hash);
  for (const ConversationRenderer* one : {&renderer, &one_each}) {
    auto rendered = one->Render(record);
    if (const auto* bad = std::get_if<BadRecord>(&rendered)) {
      CHECK(!bad->reason.empty());
      continue;
    }
    for (auto& conversation : std::get<std::vector<RenderedConversation>>(rendered)) {
      CheckAnswers(conversation);
      RemoveEmptyThinking(&conversation);
      CheckAnswers(conversation);
    }
  }
}

void CheckRecord(std::string_view line) {
  const auto text = ReadTextRecord(line);
  if (const auto* record = std::get_if<TextRecord>(&text)) {
    CHECK(IsValidUtf8(record->text) && FindTextProblem(record->text).empty());
  } else {
    CHECK(IsValidUtf8(std::get<BadRecord>(text).reason));
  }
  const auto conversation = ReadConversationRecord(line);
  if (const auto* record = std::get_if<ConversationRecord>(&conversation)) {
    CheckConversation(*record);
  } else {
    CHECK(IsValidUtf8(std::get<BadRecord>(conversation).reason));
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string_view content = WithoutByteOrderMark(AsText(data, size));
  for (const auto& separator : {std::optional<std::string>(), std::optional<std::string>("---"),
                                std::optional<std::string>("")}) {
    const auto whole = DocumentsOf(content, DataFormat::kPlainText, separator, SIZE_MAX);
    CHECK(DocumentsOf(content, DataFormat::kPlainText, separator, 1) == whole);
  }
  const auto lines = DocumentsOf(content, DataFormat::kTextRecords, {}, SIZE_MAX);
  CHECK(DocumentsOf(content, DataFormat::kTextRecords, {}, 1) == lines);
  for (const std::string& line : lines) CheckRecord(line.substr(line.find(' ') + 1));
  try {
    CHECK(ResolveFormat({.path = "fuzz.jsonl"}, content) != DataFormat::kAuto);
  } catch (const FormatError&) {
  }
  return 0;
}
