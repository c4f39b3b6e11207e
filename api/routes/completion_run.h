#pragma once
// One request for text under way: its engine requests, one for each prompt and choice, and the
// answer they grow into, streamed or whole. Owned by its connection, used on the I/O thread;
// destroying it cancels what is not finished.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/http/reply.h"
#include "api/openai/answer_format.h"
#include "api/openai/error.h"
#include "api/openai/generation_request.h"
#include "api/routes/circuit_breaker.h"
#include "api/routes/completion_choice.h"
#include "api/routes/served_model.h"
#include "api/routes/server_metrics.h"

namespace tandem {

struct EncodedPrompt {
  std::vector<TokenId> ids;
  std::string text;  // what an echo shows; empty when nothing came before the completion
};

// What a run is made of besides the model.
struct CompletionTask {
  GenerationRequest ask;
  std::vector<EncodedPrompt> prompts;
  std::string trace_id;
  std::chrono::steady_clock::time_point received;
  std::chrono::milliseconds queue_wait{0};  // for room in the queue
  uint64_t seed = 0;                        // of choices without a seed of the client's
  uint64_t cache_salt = 0;
  std::unique_ptr<const AnswerFormat> format;
  uint64_t first_id = 0;  // ids [first_id, first_id + prompts * choices) are this run's
};

class CompletionRun : public PendingReply {
 public:
  // The breaker hears from `permit` how it ended.
  CompletionRun(const ServedModel& model, ServerMetrics& metrics, CompletionTask task,
                CircuitBreaker::Permit permit);
  ~CompletionRun() override;

  // Hands everything to the engine, or what the queue has room for, and the rest when there is
  // more. An error means that nothing of it runs any more.
  std::optional<ApiError> Start(const Waker& wake);
  void Poll(ReplySink& sink) override;
  std::chrono::milliseconds PollInterval() const override;

 private:
  struct Slot {
    std::shared_ptr<const Request> request;
    std::shared_ptr<Outbox> outbox;
    CompletionChoice choice;
    bool ended = false;                   // the terminal event came, or we cancelled it
    bool sent = false;                    // something of it, in a stream
    std::string text;                     // of whole answers, and of those to be remembered
    std::vector<ReportedToken> logprobs;  // whole answers only
    std::vector<TokenId> token_ids;       // whole answers only; where asked for
  };

  std::shared_ptr<const Request> MakeRequest(const EncodedPrompt& prompt, size_t slot_index) const;
  // Submits what is not yet. No error when the queue is full and may be waited for.
  std::optional<ApiError> SubmitRest();
  bool is_waiting() const { return num_submitted_ < slots_.size(); }
  void Advance(Slot& slot, size_t index, ReplySink& sink);
  void Stream(Slot& slot, AnswerPart part, ReplySink& sink);
  void End(Slot& slot, size_t index, ReplySink& sink);
  void Remember(Slot& slot, size_t index) const;
  void Fail(const ApiError& error, ReplySink& sink);
  void EndStream(ReplySink& sink) const;
  void SendWhole(ReplySink& sink);
  const EncodedPrompt& PromptOf(int64_t slot_index) const;
  AnswerUsage Usage() const;
  bool with_logprobs() const { return ask_.sampling.logprobs.has_value(); }

  const ServedModel& model_;
  ServerMetrics& metrics_;
  const CompletionTask task_;
  const GenerationRequest& ask_;
  const AnswerFormat& format_;
  const ChunkUsage chunk_usage_;
  AnswerCache* const answer_cache_;  // null: the answer is not to be remembered
  CircuitBreaker::Permit permit_;
  std::vector<Slot> slots_;   // prompts in order, the choices of each together
  size_t num_submitted_ = 0;  // the first slots
  size_t num_ended_ = 0;
  bool begun_ = false;
};

}  // namespace tandem
