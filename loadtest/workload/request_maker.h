#pragma once
// Makes the requests of a workload one after the other, as whole HTTP messages. The same workload,
// seed and salt give the same requests. Owned by the run; one thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loadtest/http/server_url.h"
#include "loadtest/random_draws.h"
#include "loadtest/workload/workload.h"

namespace tandem {

struct RequestTarget {
  ServerUrl url;
  std::string api_key;  // empty: none
  std::string model;    // empty: not said
};

// A dialogue that goes on: what was said is sent again with each turn.
struct Dialogue {
  size_t class_index = 0;
  std::string messages;  // JSON objects with commas between, without the list's brackets
  std::string question;  // the present turn's, JSON-escaped
  int64_t num_turns_left = 0;
};

struct MadeRequest {
  std::string message;  // HTTP: head and body
  size_t class_index = 0;
  int64_t cancel_after = 0;                // 0: it is not cut
  std::unique_ptr<Dialogue> conversation;  // if it will go on
};

// What a request asks for, before it is a message.
struct TokenRequest {
  std::vector<int64_t> prompt;  // token ids, with the shared prefix
  int64_t num_output_tokens = 0;
};

class RequestMaker {
 public:
  // Borrows the workload. `salt` makes prompts that no other salt makes, so that a server cannot
  // have them in its prefix cache; 0 leaves texts from files as they are.
  RequestMaker(const Workload& workload, RequestTarget target, uint64_t salt);

  MadeRequest Make();
  MadeRequest Make(const TraceEntry& entry);
  // The same request as Make's, for who writes the message; of prompts of token ids.
  TokenRequest MakeTokens();
  // The next turn. `answer` is what came to the last one, JSON-escaped.
  MadeRequest Continue(std::unique_ptr<Dialogue> conversation, const std::string& answer);

 private:
  struct Prompt {
    std::string text;          // JSON-escaped
    std::vector<int64_t> ids;  // instead of a text
  };

  size_t DrawClass();
  Prompt MakePrompt(size_t class_index, const Length& length);
  Prompt PromptOfText(const std::string& text) const;
  void AppendSynthetic(PromptUnit unit, int64_t length, RandomDraws& draws, Prompt& prompt) const;
  MadeRequest MakeOf(size_t class_index, Prompt prompt, int64_t num_output_tokens);
  MadeRequest Finish(size_t class_index, const std::string& input, int64_t num_output_tokens);

  const Workload& workload_;
  const RequestTarget target_;
  const uint64_t salt_;
  RandomDraws choices_;  // of classes, lengths, cancels: the same whatever the salt
  RandomDraws content_;  // of what prompts say
  double total_weight_ = 0.0;
  std::vector<std::vector<Prompt>> prefixes_;  // by class
  std::vector<size_t> next_text_;              // by class
  uint64_t num_made_ = 0;
};

}  // namespace tandem
