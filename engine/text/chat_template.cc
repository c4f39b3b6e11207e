#include "engine/text/chat_template.h"

#include <algorithm>

#include "engine/base/printable.h"
#include "engine/text/chat_messages.h"
#include "engine/text/jinja/json_value.h"
#include "engine/text/json_access.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using jinja::Value;

struct Source {
  std::string text;
  std::string name;
};

struct Sources {
  std::optional<Source> main;
  std::optional<Source> tool_use;
};

std::optional<Value> ReadConfig(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  Value config = jinja::ParseValue(ReadTokenizerFile(path), path.string());
  if (!config.IsDict()) throw FormatError(path.string() + ": is not an object");
  return config;
}

// A token is written as its text or as an object with "content".
void AddTokens(const Value& config, ChatTemplate::Tokens* tokens) {
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    const bool is_there = std::any_of(tokens->begin(), tokens->end(),
                                      [name](const auto& token) { return token.first == name; });
    const Value* token = config.dict().Find(name);
    if (is_there || token == nullptr) continue;
    if (token->IsDict()) token = token->dict().Find("content");
    if (token != nullptr && token->IsText()) tokens->emplace_back(name, *token);
  }
}

ChatTemplate::Tokens ReadTokens(const std::filesystem::path& directory) {
  ChatTemplate::Tokens tokens;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (const auto config = ReadConfig(directory / name)) AddTokens(*config, &tokens);
  }
  return tokens;
}

// The form [{"name": "default", "template": "..."}, ...].
Sources NamedSources(const Value& list, const std::string& name) {
  Sources sources;
  for (const Value& entry : list.list().items) {
    const Value* key = entry.IsDict() ? entry.dict().Find("name") : nullptr;
    const Value* text = entry.IsDict() ? entry.dict().Find("template") : nullptr;
    if (key == nullptr || text == nullptr || !key->IsText() || !text->IsText()) {
      throw FormatError(name + ": wants objects with a name and a template");
    }
    const std::string where = name + " " + Quoted(key->AsText(), 60);
    if (key->AsText() == "default") sources.main = Source{text->AsText(), where};
    if (key->AsText() == "tool_use") sources.tool_use = Source{text->AsText(), where};
  }
  if (!sources.main) throw FormatError(name + ": has no template of the name \"default\"");
  return sources;
}

Sources FindSources(const std::filesystem::path& directory) {
  Sources sources;
  std::error_code error;
  const std::filesystem::path file = directory / "chat_template.jinja";
  const std::filesystem::path tool_file =
      directory / "additional_chat_templates" / "tool_use.jinja";
  if (std::filesystem::exists(file, error)) {
    sources.main = Source{ReadTokenizerFile(file), file.string()};
    if (std::filesystem::exists(tool_file, error)) {
      sources.tool_use = Source{ReadTokenizerFile(tool_file), tool_file.string()};
    }
    return sources;
  }
  const std::filesystem::path path = directory / "tokenizer_config.json";
  const auto config = ReadConfig(path);
  const Value* found = config ? config->dict().Find("chat_template") : nullptr;
  if (found == nullptr || found->IsNone()) return sources;
  const std::string name = path.string() + ": chat_template";
  if (found->IsText()) {
    sources.main = Source{found->AsText(), name};
  } else if (found->IsList()) {
    sources = NamedSources(*found, name);
  } else {
    throw FormatError(name + ": is neither a string nor a list");
  }
  return sources;
}

// What the caller of a template may not replace.
void CheckVariables(const ChatInput& input) {
  for (const auto& [name, value] : input.variables) {
    for (const char* reserved : {"messages", "tools", "documents", "add_generation_prompt"}) {
      if (name == reserved) {
        throw InvalidRequest("chat_template_kwargs", "chat_template_kwargs may not set '" + name +
                                                         "', a field of the request itself");
      }
    }
  }
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, const std::string& name, Tokens tokens,
                           const jinja::JinjaLimits& limits)
    : source_(source), default_(source, name, limits), tokens_(std::move(tokens)) {
  content_form_ = FindContentForm();
}

std::optional<ChatTemplate> ChatTemplate::FromDirectory(const std::filesystem::path& directory,
                                                        const jinja::JinjaLimits& limits) {
  const Sources sources = FindSources(directory);
  if (!sources.main) return std::nullopt;
  ChatTemplate chat(sources.main->text, sources.main->name, ReadTokens(directory), limits);
  if (sources.tool_use) {
    chat.tool_use_.emplace(sources.tool_use->text, sources.tool_use->name, limits);
  }
  return chat;
}

ChatTemplate ChatTemplate::FromOption(const std::string& option,
                                      const std::filesystem::path& directory,
                                      const jinja::JinjaLimits& limits) {
  std::error_code error;
  if (std::filesystem::is_regular_file(option, error)) {
    return ChatTemplate(ReadTokenizerFile(option), option, ReadTokens(directory), limits);
  }
  if (option == "chatml") {
    return ChatTemplate(BuiltInChatMl(), "the built-in template chatml", ReadTokens(directory),
                        limits);
  }
  throw ConfigError("--chat-template " + Quoted(option, 200) +
                    ": is neither a file nor the name of a built-in template (chatml)");
}

jinja::Rendering ChatTemplate::Render(const ChatInput& input) const {
  CheckVariables(input);
  std::vector<std::pair<std::string, Value>> variables = tokens_;
  variables.insert(variables.end(), input.variables.begin(), input.variables.end());
  variables.emplace_back("messages", WithReasoningNames(input.messages));
  variables.emplace_back("tools", input.tools);
  variables.emplace_back("documents", input.documents);
  variables.emplace_back("add_generation_prompt",
                         Value::Of(input.generation_prompt == GenerationPrompt::kAdd));
  const bool has_tools = !input.tools.IsNone() && !input.tools.IsUndefined();
  const jinja::Template& chosen = has_tools && tool_use_ ? *tool_use_ : default_;
  return chosen.Render(variables, input.now);
}

// By trying: a template that knows parts writes their text, one that does not writes the list.
ContentForm ChatTemplate::FindContentForm() const {
  static constexpr char kText[] = "what-this-part-says";
  static constexpr char kMessages[] =
      R"([{"role":"user","content":[{"type":"text","text":"what-this-part-says"}]}])";
  try {
    const ChatInput input = {.messages = jinja::ParseValue(kMessages, "a probe")};
    const std::string text = Render(input).text;
    const bool shows_list =
        text.find("'type'") != std::string::npos || text.find("\"type\"") != std::string::npos;
    if (text.find(kText) != std::string::npos && !shows_list) return ContentForm::kParts;
  } catch (const InvalidRequest&) {
    // It wants a string, or more than one message; a string suits both.
  }
  return ContentForm::kText;
}

void FailWithoutChatTemplate(const std::string& model) {
  throw InvalidRequest("messages",
                       "the model " + Quoted(model, 100) +
                           " has no chat template: start the server with --chat-template (a file, "
                           "or chatml), or use /v1/completions");
}

std::string_view BuiltInChatMl() {
  return "{%- for message in messages -%}\n"
         "{{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' -}}\n"
         "{%- endfor -%}\n"
         "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}\n";
}

}  // namespace tandem
