#pragma once
// Messages of a request made fit for chat templates. Each returns the messages unchanged, without a
// copy, where there is nothing to do. Pure functions; any thread. They throw InvalidRequest for
// what is no list of objects.

#include "engine/base/json.h"
#include "engine/text/jinja/value.h"

namespace tandem {

// The older names of `reasoning_content` ("thinking", "reasoning") fill it, as in transformers.
jinja::Value WithReasoningNames(const jinja::Value& messages);

// A content that is a list of text parts becomes their text, with line ends between them. Lists
// with other parts stay.
jinja::Value JoinTextParts(const jinja::Value& messages);

// The role "developer" becomes "system", for templates that know only the older name.
jinja::Value WithDeveloperAsSystem(const jinja::Value& messages);

// tool_calls[].function.arguments is JSON in a string on the wire; templates expect the object.
// A string that is empty becomes an empty object, one that is no JSON object is refused.
jinja::Value WithParsedToolArguments(const jinja::Value& messages, const JsonLimits& limits = {});

}  // namespace tandem
