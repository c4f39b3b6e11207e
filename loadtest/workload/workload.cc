#include "loadtest/workload/workload.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

bool HasTurns(const RequestClass& request) {
  const auto* fixed = std::get_if<FixedLength>(&request.turns);
  return fixed == nullptr || fixed->value > 1;
}

void CheckClass(const Workload& workload, const RequestClass& request) {
  const std::string which = "requests " + Quoted(request.name) + ": ";
  if (workload.api != Api::kCompletions && request.texts.empty() &&
      request.prompt.unit == PromptUnit::kTokens) {
    throw ConfigError(which + "a prompt in tokens is a list of token ids, which only the API " +
                      "completions takes; give its length in words");
  }
  if (HasTurns(request) && workload.api != Api::kChat) {
    throw ConfigError(which + "turns need the API chat; it is " + std::string(Name(workload.api)));
  }
  if (request.cancel_share > 0.0 && !workload.stream) {
    throw ConfigError(which + "cancel counts pieces of a stream, and stream is off; turn it on");
  }
}

}  // namespace

std::string_view Name(Api api) {
  switch (api) {
    case Api::kCompletions:
      return "completions";
    case Api::kChat:
      return "chat";
    case Api::kGenerate:
      return "generate";
  }
  return "";
}

std::string_view PathOf(Api api) {
  switch (api) {
    case Api::kCompletions:
      return "/v1/completions";
    case Api::kChat:
      return "/v1/chat/completions";
    case Api::kGenerate:
      return "/generate";
  }
  return "";
}

void CheckWorkload(const Workload& workload) {
  if (workload.classes.empty()) throw ConfigError("requests is missing: nothing would be asked");
  if (workload.warm_up >= workload.duration) {
    throw ConfigError(fmt::format("warm-up {} leaves nothing of the duration {} to measure",
                                  FormatDuration(workload.warm_up),
                                  FormatDuration(workload.duration)));
  }
  if (workload.first_token_id >= workload.end_token_id) {
    throw ConfigError(fmt::format("token-ids from {} to below {} are none", workload.first_token_id,
                                  workload.end_token_id));
  }
  if (workload.api == Api::kGenerate && workload.stream) {
    throw ConfigError("stream: /generate answers whole; set stream to false (--no-stream)");
  }
  for (const RequestClass& request : workload.classes) CheckClass(workload, request);
}

}  // namespace tandem
