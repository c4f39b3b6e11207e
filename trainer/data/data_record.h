#pragma once
// One line of a JSONL file, read and validated. What is wrong with a record is a value, not an
// exception: the whole file is looked at before anybody decides what to do. Pure functions; any
// thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "engine/text/jinja/value.h"

namespace tandem {

// Why a document cannot be learned from, for a person: "message 3 has the role \"bot\", ...".
struct BadRecord {
  std::string reason;
};

struct TextRecord {
  std::string text;  // valid UTF-8, not only blanks
};

// {"conversations": [{role, content, reasoning_content?, tools?, tool_calls?}, ...]}: MiniMind's
// form. `tools` and `tool_calls` are JSON in strings there; as JSON values they are the same. Null
// and "" count as absent, and `tools` may also stand beside "conversations".
struct ConversationRecord {
  jinja::Value messages;                      // a list of objects; tool_calls are lists
  jinja::Value tools = jinja::Value::None();  // a list, or None
};

std::variant<TextRecord, BadRecord> ReadTextRecord(std::string_view line);

// Roles are system, user, assistant and tool; at least one turn is the assistant's, and none of
// those is empty.
std::variant<ConversationRecord, BadRecord> ReadConversationRecord(std::string_view line);

// The reason why a text cannot be learned from; empty when it can.
std::string FindTextProblem(std::string_view text);

}  // namespace tandem
