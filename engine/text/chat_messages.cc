#include "engine/text/chat_messages.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/jinja/json_value.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using jinja::Dict;
using jinja::ListKind;
using jinja::Value;

const Value* FindSet(const Dict& dict, std::string_view name) {
  const Value* value = dict.Find(name);
  return value == nullptr || value->IsNone() ? nullptr : value;
}

// Each element through `change`, which returns nothing for one that stays as it is.
template <typename Change>
Value Changed(const Value& list, const std::string& where, const Change& change) {
  if (!list.IsList(ListKind::kList)) throw InvalidRequest("messages", where + " must be a list");
  std::vector<Value> items;
  bool has_changes = false;
  for (size_t i = 0; i < list.list().items.size(); ++i) {
    const Value& item = list.list().items[i];
    const std::string name = where + "[" + std::to_string(i) + "]";
    if (!item.IsDict()) throw InvalidRequest("messages", name + " must be an object");
    const std::optional<Value> changed = change(item.dict(), name);
    has_changes |= changed.has_value();
    items.push_back(changed ? *changed : item);
  }
  return has_changes ? Value::Of(std::move(items)) : list;
}

Value Replaced(const Dict& dict, const std::string& name, Value value) {
  Dict copy = dict;
  copy.Set(name, std::move(value));
  return Value::Of(std::move(copy));
}

// {"thinking": it, everything of the message, "reasoning_content": it}
std::optional<Value> WithReasoning(const Dict& message, const std::string&) {
  const Value* reasoning = nullptr;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    if (reasoning == nullptr) reasoning = FindSet(message, name);
  }
  if (reasoning == nullptr) return std::nullopt;
  Dict copy;
  copy.Set("thinking", *reasoning);
  for (const auto& [key, value] : message.entries()) copy.Set(key.AsText(), value);
  copy.Set("reasoning_content", *reasoning);
  return Value::Of(std::move(copy));
}

std::optional<Value> WithJoinedText(const Dict& message, const std::string&) {
  const Value* content = FindSet(message, "content");
  if (content == nullptr || !content->IsList(ListKind::kList)) return std::nullopt;
  std::string text;
  for (const Value& part : content->list().items) {
    const Value* type = part.IsDict() ? part.dict().Find("type") : nullptr;
    const Value* part_text = part.IsDict() ? part.dict().Find("text") : nullptr;
    const bool is_text = type != nullptr && type->IsText() && type->AsText() == "text";
    if (!is_text || part_text == nullptr || !part_text->IsText()) return std::nullopt;
    if (&part != &content->list().items.front()) text += '\n';
    text += part_text->AsText();
  }
  return Replaced(message, "content", Value::Of(std::move(text)));
}

std::optional<Value> WithSystemRole(const Dict& message, const std::string&) {
  const Value* role = FindSet(message, "role");
  if (role == nullptr || !role->IsText() || role->AsText() != "developer") return std::nullopt;
  return Replaced(message, "role", Value::Of("system"));
}

std::optional<Value> WithParsedArguments(const Dict& call, const std::string& where,
                                         const JsonLimits& limits) {
  const Value* function = FindSet(call, "function");
  if (function == nullptr || !function->IsDict()) return std::nullopt;
  const Value* arguments = FindSet(function->dict(), "arguments");
  if (arguments == nullptr || !arguments->IsText()) return std::nullopt;
  Value parsed = Value::Of(Dict());
  if (!arguments->AsText().empty()) {
    const std::string name = where + ".function.arguments";
    try {
      parsed = jinja::ParseValue(arguments->AsText(), name, limits);
    } catch (const FormatError& error) {
      throw InvalidRequest("messages", error.what());
    }
    if (!parsed.IsDict()) throw InvalidRequest("messages", name + " must hold a JSON object");
  }
  return Replaced(call, "function", Replaced(function->dict(), "arguments", std::move(parsed)));
}

}  // namespace

Value WithReasoningNames(const Value& messages) {
  return Changed(messages, "messages", WithReasoning);
}

Value JoinTextParts(const Value& messages) { return Changed(messages, "messages", WithJoinedText); }

Value WithDeveloperAsSystem(const Value& messages) {
  return Changed(messages, "messages", WithSystemRole);
}

Value WithParsedToolArguments(const Value& messages, const JsonLimits& limits) {
  const auto parse_call = [&limits](const Dict& call, const std::string& where) {
    return WithParsedArguments(call, where, limits);
  };
  const auto parse_message = [&](const Dict& message, const std::string& where) {
    const Value* calls = FindSet(message, "tool_calls");
    if (calls == nullptr) return std::optional<Value>();
    Value parsed = Changed(*calls, where + ".tool_calls", parse_call);
    if (parsed.identity() == calls->identity()) return std::optional<Value>();
    return std::optional<Value>(Replaced(message, "tool_calls", std::move(parsed)));
  };
  return Changed(messages, "messages", parse_message);
}

}  // namespace tandem
