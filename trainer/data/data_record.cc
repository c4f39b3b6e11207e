#include "trainer/data/data_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "engine/base/printable.h"
#include "engine/text/jinja/json_value.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using jinja::Dict;
using jinja::ListKind;
using jinja::Value;

constexpr std::string_view kWhere = "record";
constexpr std::string_view kBlank = " \t\r\n";
constexpr size_t kMaxShownBytes = 60;  // of a wrong value in a message
constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};

bool IsBlank(std::string_view text) {
  size_t at = text.find_first_not_of(kBlank);
  if (at == text.npos) return true;
  while (at < text.size()) {
    if (!IsWhitespace(NextCharacter(text, &at))) return false;
  }
  return true;
}

// Thrown and caught inside of this file only, where a problem is found deep in a record.
struct Problem {
  std::string reason;
};

[[noreturn]] void Fail(std::string reason) { throw Problem{std::move(reason)}; }

std::string FindUtf8Problem(std::string_view text) {
  if (IsValidUtf8(text)) return "";
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Unit unit = ReadUtf8Unit(text.substr(at));
    if (unit.kind != Utf8Unit::Kind::kCharacter) break;
    at += unit.length;
  }
  const auto num_lines = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
  return fmt::format("is not UTF-8 at byte {}{}: {}", at + 1,
                     num_lines > 0 ? fmt::format(", in its line {}", num_lines + 1) : "",
                     Quoted(text.substr(at, 4)));
}

// JSON inside of a record; `what` names it.
Value Parse(std::string_view text, std::string_view what) {
  try {
    return jinja::ParseValue(text, std::string(what));
  } catch (const FormatError& error) {
    const std::string_view message = error.what();
    // The record itself needs no name: the line has one.
    Fail(std::string(what == kWhere ? message.substr(what.size() + 2) : message));
  }
}

// Null when absent, null or "".
const Value* FindSet(const Dict& dict, std::string_view name) {
  const Value* value = dict.Find(name);
  const bool absent =
      value == nullptr || value->IsNone() || (value->IsText() && value->AsText().empty());
  return absent ? nullptr : value;
}

Dict ReadObject(std::string_view line) {
  if (std::string problem = FindUtf8Problem(line); !problem.empty()) Fail(std::move(problem));
  const Value record = Parse(line, kWhere);
  if (!record.IsDict()) {
    Fail(fmt::format("is {}; a line must hold one JSON object",
                     record.IsList() ? "a JSON array" : "no JSON object"));
  }
  return record.dict();
}

// A list that may be written as JSON in a string. None when it is absent or empty.
Value ReadList(const Value* value, const std::string& where) {
  if (value == nullptr) return Value::None();
  const Value list = value->IsText() ? Parse(value->AsText(), where) : *value;
  if (list.IsNone()) return list;
  if (!list.IsList(ListKind::kList)) Fail(where + " must be a list, or one in a JSON string");
  return list.list().items.empty() ? Value::None() : list;
}

bool HasWords(const Dict& message, std::string_view name) {
  const Value* value = FindSet(message, name);
  return value != nullptr && !(value->IsText() && IsBlank(value->AsText()));
}

const std::string& ReadRole(const Dict& message, const std::string& where) {
  const Value* role = FindSet(message, "role");
  if (role == nullptr || !role->IsText()) Fail(where + " has no role");
  for (const std::string_view known : kRoles) {
    if (role->AsText() == known) return role->AsText();
  }
  Fail(fmt::format("{} has the role {}; known are system, user, assistant and tool", where,
                   Quoted(role->AsText(), kMaxShownBytes)));
}

// The message without absent fields (templates ask whether they are defined), its content present.
Dict ReadMessage(const Dict& given, const std::string& where) {
  const std::string& role = ReadRole(given, where);
  Dict message;
  for (const auto& [key, value] : given.entries()) {
    if (!value.IsNone() && key.AsText() != "tool_calls") message.Set(key.AsText(), value);
  }
  const Value* content = message.Find("content");
  if (content == nullptr) {
    message.Set("content", Value::Of(""));
  } else if (!content->IsText() && !content->IsList(ListKind::kList)) {
    Fail(where + ": content must be a string");
  }
  const Value calls = ReadList(FindSet(given, "tool_calls"), where + ": tool_calls");
  if (!calls.IsNone()) message.Set("tool_calls", calls);
  const bool speaks =
      HasWords(message, "content") || !calls.IsNone() || HasWords(message, "reasoning_content");
  if (role == "assistant" && !speaks) Fail(where + " is the assistant's and empty");
  return message;
}

ConversationRecord ReadConversation(const Dict& record) {
  const Value* turns = FindSet(record, "conversations");
  if (turns == nullptr) Fail("has no \"conversations\"");
  if (!turns->IsList(ListKind::kList)) Fail("\"conversations\" must be a list of messages");
  if (turns->list().items.empty()) Fail("\"conversations\" is empty");
  Value tools = ReadList(FindSet(record, "tools"), "tools");
  bool has_answer = false;
  std::vector<Value> messages;
  for (const Value& turn : turns->list().items) {
    const std::string where = fmt::format("message {}", messages.size() + 1);
    if (!turn.IsDict()) Fail(where + " is no object");
    Dict message = ReadMessage(turn.dict(), where);
    if (tools.IsNone()) tools = ReadList(FindSet(turn.dict(), "tools"), where + ": tools");
    has_answer |= message.Find("role")->AsText() == "assistant";
    messages.push_back(Value::Of(std::move(message)));
  }
  if (!has_answer) Fail("has no turn of the assistant");
  return {.messages = Value::Of(std::move(messages)), .tools = std::move(tools)};
}

}  // namespace

std::string FindTextProblem(std::string_view text) {
  if (std::string problem = FindUtf8Problem(text); !problem.empty()) return problem;
  if (text.empty()) return "the text is empty";
  if (IsBlank(text)) return "the text has only blanks";
  return "";
}

std::variant<TextRecord, BadRecord> ReadTextRecord(std::string_view line) {
  try {
    const Dict record = ReadObject(line);
    const Value* text = record.Find("text");
    if (text == nullptr || text->IsNone()) Fail("has no \"text\"");
    if (!text->IsText()) Fail("\"text\" must be a string");
    if (std::string problem = FindTextProblem(text->AsText()); !problem.empty()) {
      Fail(std::move(problem));
    }
    return TextRecord{text->AsText()};
  } catch (Problem& problem) {
    return BadRecord{std::move(problem.reason)};
  }
}

std::variant<ConversationRecord, BadRecord> ReadConversationRecord(std::string_view line) {
  try {
    return ReadConversation(ReadObject(line));
  } catch (Problem& problem) {
    return BadRecord{std::move(problem.reason)};
  }
}

}  // namespace tandem
