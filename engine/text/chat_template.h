#pragma once
// How a model wants a conversation written: its chat template, found and rendered as transformers
// does. Immutable after loading; any thread.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/jinja/template.h"
#include "engine/text/jinja/value.h"

namespace tandem {

enum class GenerationPrompt : uint8_t {
  kAdd,   // ends with what the assistant's turn begins with
  kNone,  // ends with the last message
};

// What a template makes of a message's content.
enum class ContentForm : uint8_t {
  kText,   // a string only: text parts are to be joined before (JoinTextParts)
  kParts,  // also a list of {"type": "text", "text": ...}
};

struct ChatInput {
  jinja::Value messages;                      // a list of objects
  jinja::Value tools = jinja::Value::None();  // a list of JSON schemas, or None
  jinja::Value documents = jinja::Value::None();
  GenerationPrompt generation_prompt = GenerationPrompt::kNone;
  // chat_template_kwargs of the request, such as enable_thinking. They win over the model's tokens.
  std::vector<std::pair<std::string, jinja::Value>> variables = {};
  std::chrono::system_clock::time_point now = {};  // for strftime_now, in local time
};

class ChatTemplate {
 public:
  // bos_token, eos_token and so on, by these names.
  using Tokens = std::vector<std::pair<std::string, jinja::Value>>;

  // `name` stands in messages: the file, or where else the source comes from. Throws FormatError
  // when the source is malformed.
  ChatTemplate(std::string_view source, const std::string& name, Tokens tokens = {},
               const jinja::JinjaLimits& limits = {});

  // The template of a model directory: chat_template.jinja, else `chat_template` in
  // tokenizer_config.json, a string or a list of {name, template} with "default" and "tool_use".
  // Nothing when the model has none; FormatError when it is broken.
  static std::optional<ChatTemplate> FromDirectory(const std::filesystem::path& directory,
                                                   const jinja::JinjaLimits& limits = {});
  // --chat-template: a file, or the name of a built-in template ("chatml"). Tokens are the model's.
  // ConfigError when it is neither.
  static ChatTemplate FromOption(const std::string& option, const std::filesystem::path& directory,
                                 const jinja::JinjaLimits& limits = {});

  // Throws InvalidRequest when the template raises, fails on these messages or exceeds a limit.
  jinja::Rendering Render(const ChatInput& input) const;

  ContentForm content_form() const { return content_form_; }
  // Whether it knows OpenAI's newer name of the system's role.
  bool knows_developer_role() const { return source_.find("developer") != std::string::npos; }
  const std::string& source() const { return source_; }
  const Tokens& tokens() const { return tokens_; }

 private:
  ContentForm FindContentForm() const;

  std::string source_;
  jinja::Template default_;
  std::optional<jinja::Template> tool_use_;  // instead, where there are tools
  Tokens tokens_;
  ContentForm content_form_ = ContentForm::kText;
};

// InvalidRequest that tells the client, and the operator, of --chat-template.
[[noreturn]] void FailWithoutChatTemplate(const std::string& model);

// ChatML, as many models without a template of their own understand it.
std::string_view BuiltInChatMl();

}  // namespace tandem
