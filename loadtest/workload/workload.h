#pragma once
// What a load is made of: when requests come and what they ask for. Read from a YAML file
// (workload_file.h), changed by flags, and constant during a run. Plain data.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadtest/arrivals/arrival_process.h"
#include "loadtest/arrivals/trace.h"
#include "loadtest/workload/length.h"

namespace tandem {

enum class Api : uint8_t { kCompletions, kChat, kGenerate };

std::string_view Name(Api api);
std::string_view PathOf(Api api);  // "/v1/completions"

enum class PromptUnit : uint8_t {
  kTokens,  // random token ids, exactly so many; only /v1/completions takes them
  kWords    // common English words; how many tokens these are, the server's count tells
};

// Prompts made up at random. No two of a run begin alike, unless by a shared prefix.
struct SyntheticPrompt {
  PromptUnit unit = PromptUnit::kWords;
  Length length = FixedLength{8};
};

struct SharedPrefix {
  Length length = FixedLength{1};  // in the unit of the prompt
  int64_t num_prefixes = 1;        // each request begins with one of them
};

// One kind of request in a mix.
struct RequestClass {
  std::string name = "all";
  double weight = 1.0;
  SyntheticPrompt prompt;
  std::vector<std::string> texts;  // prompts in turn; if there are any, `prompt` is not used
  std::optional<SharedPrefix> shared_prefix;
  Length output = FixedLength{50};  // max_tokens
  bool ignore_eos = false;
  std::optional<int64_t> priority;
  std::optional<double> temperature;
  Length turns = FixedLength{1};  // of a conversation; chat only
  double cancel_share = 0.0;      // of requests that are cut
  int64_t cancel_after = 1;       // outputs
};

struct Trace {
  std::vector<TraceEntry> entries;
  double speed = 1.0;
};

enum class ThinkTime : uint8_t { kFixed, kExponential };

struct Workload {
  std::string name;
  Api api = Api::kCompletions;
  bool stream = true;
  std::chrono::milliseconds duration = std::chrono::seconds(60);
  std::chrono::milliseconds warm_up{};  // at its start; not measured
  uint64_t seed = 0;

  // Open loop: requests come by the clock. Closed, if num_users > 0: each user waits for an answer,
  // thinks, and asks again.
  Spacing spacing = Spacing::kPoisson;
  double rate = 1.0;  // requests a second
  std::optional<double> end_rate;
  double burstiness = 1.0;
  std::optional<Trace> trace;  // instead of a rate
  int64_t num_users = 0;
  ThinkTime think_kind = ThinkTime::kFixed;
  std::chrono::milliseconds think_time{};

  int64_t first_token_id = 256;  // random ids are from here
  int64_t end_token_id = 4096;   // to below here; every vocabulary has those
  std::vector<RequestClass> classes;

  bool is_closed_loop() const { return num_users > 0; }
};

// What does not go together, as one ConfigError: prompts of token ids for chat, turns without it...
void CheckWorkload(const Workload& workload);

}  // namespace tandem
