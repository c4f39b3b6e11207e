// A chat template and a conversation for it: refused, or rendered within the limits as valid UTF-8,
// and the same each time. The input is the template, a zero byte, and messages as JSON.

#include <string>

#include "engine/text/chat_template.h"
#include "engine/text/jinja/json_value.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

// Small, so that a loop of a hostile template ends soon.
constexpr jinja::JinjaLimits kLimits{.max_steps = 20000, .max_output_bytes = 1 << 16};

jinja::Value Messages(std::string_view text) {
  try {
    jinja::Value messages = jinja::ParseValue(text, "fuzz", {.max_depth = 8, .max_bytes = 4096});
    if (messages.IsList()) return messages;
  } catch (const FormatError&) {
  }
  return jinja::ParseValue(R"([{"role":"user","content":"hi"}])", "fuzz");
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string_view text = AsText(data, size);
  const size_t end = text.find('\0');
  const ChatInput input{
      .messages = Messages(end == std::string_view::npos ? "" : text.substr(end + 1)),
      .generation_prompt = GenerationPrompt::kAdd};
  try {
    const ChatTemplate chat_template(text.substr(0, end), "fuzz", {}, kLimits);
    const std::string rendered = chat_template.Render(input).text;
    CHECK(rendered.size() <= kLimits.max_output_bytes, rendered.size());
    CHECK(IsValidUtf8(rendered));
    CHECK(chat_template.Render(input).text == rendered);
  } catch (const FormatError&) {
  } catch (const InvalidRequest&) {
  }
  return 0;
}
