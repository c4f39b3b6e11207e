#include "tests/support/engine_client.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tandem {
namespace {

void Append(const TokenEvent& event, Transcript& transcript) {
  for (const ScoredToken& scored : event.prompt) {
    transcript.prompt_logprobs.push_back(scored.token.logprob);
  }
  if (event.token) {
    transcript.tokens.push_back(event.token->token.id);
    transcript.logprobs.push_back(event.token->token.logprob);
  }
  transcript.num_cached = std::max(transcript.num_cached, event.num_cached);
  if (event.finish) {
    transcript.finish = *event.finish;
    ++transcript.num_ends;
  }
}

}  // namespace

std::vector<Transcript> RunRequests(EngineLoop& loop,
                                    const std::vector<std::shared_ptr<const Request>>& requests) {
  std::mutex mutex;
  std::condition_variable changed;
  bool dirty = false;
  std::vector<std::shared_ptr<Outbox>> outboxes;
  for (const auto& request : requests) {
    outboxes.push_back(std::make_shared<Outbox>([&] {
      const std::lock_guard lock(mutex);
      dirty = true;
      changed.notify_one();
    }));
    const auto rejection = loop.Submit(request, outboxes.back());
    CHECK(!rejection.has_value(), static_cast<int>(rejection.value_or(Rejection::kInvalid)));
  }
  std::vector<Transcript> transcripts(requests.size());
  const auto all_ended = [&] {
    return std::all_of(transcripts.begin(), transcripts.end(),
                       [](const Transcript& t) { return t.num_ends > 0; });
  };
  while (!all_ended()) {
    {
      std::unique_lock lock(mutex);
      CHECK(changed.wait_for(lock, std::chrono::minutes(5), [&] { return dirty; }));
      dirty = false;
    }
    for (size_t i = 0; i < requests.size(); ++i) {
      for (const TokenEvent& event : outboxes[i]->Drain()) Append(event, transcripts[i]);
    }
  }
  // The last notify may still be inside the callback, which uses this frame.
  loop.Paused([] {});
  return transcripts;
}

}  // namespace tandem
