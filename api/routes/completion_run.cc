#include "api/routes/completion_run.h"

#include <algorithm>
#include <iterator>

#include "api/routes/answer_cache.h"
#include "api/routes/engine_errors.h"
#include "api/routes/event_stream.h"

namespace tandem {

namespace {

constexpr std::chrono::milliseconds kQueuePoll{10};

std::string_view FinishName(FinishReason reason) {
  return reason == FinishReason::kLength ? "length" : "stop";
}

}  // namespace

CompletionRun::CompletionRun(const ServedModel& model, ServerMetrics& metrics, CompletionTask task,
                             CircuitBreaker::Permit permit)
    : model_(model),
      metrics_(metrics),
      task_(std::move(task)),
      ask_(task_.ask),
      format_(*task_.format),
      chunk_usage_(ChunkUsageOf(ask_)),
      answer_cache_(AnswerCache::Takes(ask_) ? model.answer_cache : nullptr),
      permit_(std::move(permit)) {}

CompletionRun::~CompletionRun() {
  for (size_t i = 0; i < num_submitted_; ++i) {
    if (!slots_[i].ended) model_.engine.Cancel(slots_[i].request->id, FinishReason::kCancelled);
  }
}

std::shared_ptr<const Request> CompletionRun::MakeRequest(const EncodedPrompt& prompt,
                                                          size_t slot_index) const {
  const auto num_choices = static_cast<size_t>(ask_.num_choices);
  auto request = std::make_shared<Request>();
  request->id = static_cast<RequestId>(task_.first_id + slot_index);
  request->trace_id = task_.trace_id;
  request->prompt = prompt.ids;
  request->sampling = ask_.sampling;
  request->sampling.seed = ask_.seed.value_or(task_.seed);
  request->sampling.choice = static_cast<uint32_t>(slot_index % num_choices);
  request->eos_ids = model_.eos_ids;
  request->priority = ask_.priority;
  request->cache_salt = task_.cache_salt;
  if (!ask_.max_tokens_given) {
    const auto left = model_.max_context - static_cast<int64_t>(prompt.ids.size());
    request->sampling.max_tokens = std::min(request->sampling.max_tokens, left);
  }
  return request;
}

std::optional<ApiError> CompletionRun::Start(const Waker& wake) {
  const auto num_choices = static_cast<size_t>(ask_.num_choices);
  slots_.reserve(task_.prompts.size() * num_choices);
  for (const EncodedPrompt& prompt : task_.prompts) {
    for (size_t i = 0; i < num_choices; ++i) {
      slots_.push_back(
          {.request = MakeRequest(prompt, slots_.size()),
           .outbox = std::make_shared<Outbox>(wake),
           .choice = CompletionChoice(model_.tokenizer, ask_, prompt.ids, prompt.text)});
    }
  }
  return SubmitRest();
}

std::optional<ApiError> CompletionRun::SubmitRest() {
  while (is_waiting()) {
    const Slot& slot = slots_[num_submitted_];
    const auto rejection = model_.engine.Submit(slot.request, slot.outbox);
    if (rejection) {
      const bool in_time = std::chrono::steady_clock::now() - task_.received < task_.queue_wait;
      if (*rejection == Rejection::kQueueFull && in_time) return std::nullopt;
      if (*rejection == Rejection::kUnhealthy) permit_.Fail();
      return format_.Told(ErrorOfRejection(*rejection, model_.engine.Stats()));
    }
    ++num_submitted_;
  }
  return std::nullopt;
}

// The engine tells nobody that its queue has room again.
std::chrono::milliseconds CompletionRun::PollInterval() const {
  return is_waiting() ? kQueuePoll : PendingReply::PollInterval();
}

void CompletionRun::Poll(ReplySink& sink) {
  if (is_waiting()) {
    if (const auto error = SubmitRest()) return Fail(*error, sink);
    if (num_submitted_ == 0) return;  // so that a refusal still has a status of its own
  }
  if (ask_.stream && !begun_) sink.Begin(StreamHead());
  begun_ = true;
  for (size_t i = 0; i < num_submitted_ && !sink.ended(); ++i) {
    if (!slots_[i].choice.finished()) Advance(slots_[i], i, sink);
  }
  if (sink.ended() || num_ended_ < slots_.size()) return;
  permit_.Succeed();
  if (ask_.stream) {
    EndStream(sink);
  } else {
    SendWhole(sink);
  }
}

void CompletionRun::Advance(Slot& slot, size_t index, ReplySink& sink) {
  const std::vector<TokenEvent> events = slot.outbox->Drain();
  if (events.empty()) return;
  CompletionChoice::Delta delta = slot.choice.Advance(events);
  if (!ask_.stream || answer_cache_ != nullptr) slot.text.append(delta.text);
  if (ask_.stream) {
    AnswerPart part{.index = static_cast<int64_t>(index), .text = delta.text};
    if (with_logprobs()) part.logprobs = delta.logprobs;
    if (ask_.return_token_ids) part.token_ids = delta.token_ids;
    const bool has_any = !delta.text.empty() || !delta.logprobs.empty() || !delta.token_ids.empty();
    if (has_any) Stream(slot, part, sink);
  } else {
    std::move(delta.logprobs.begin(), delta.logprobs.end(), std::back_inserter(slot.logprobs));
    slot.token_ids.insert(slot.token_ids.end(), delta.token_ids.begin(), delta.token_ids.end());
  }
  if (slot.choice.finished()) End(slot, index, sink);
}

void CompletionRun::Stream(Slot& slot, AnswerPart part, ReplySink& sink) {
  part.is_first = !slot.sent;
  slot.sent = true;
  if (part.is_first && ask_.return_token_ids) part.prompt_token_ids = PromptOf(part.index).ids;
  const bool with_usage = chunk_usage_ == ChunkUsage::kAlways;
  format_.AppendChunk(part, chunk_usage_, with_usage ? Usage() : AnswerUsage(), sink.bytes());
}

// The choice's last event was seen, or its text met a stop string.
void CompletionRun::End(Slot& slot, size_t index, ReplySink& sink) {
  slot.ended = true;
  ++num_ended_;
  const FinishReason reason = slot.choice.reason();
  metrics_.CountFinished(reason, std::chrono::steady_clock::now() - task_.received);
  if (reason == FinishReason::kFailed) permit_.Fail();
  if (slot.choice.stopped_by_string()) model_.engine.Cancel(slot.request->id, FinishReason::kStop);
  if (reason != FinishReason::kStop && reason != FinishReason::kLength) {
    return Fail(format_.Told(ErrorOfFinish(reason, slot.choice.message())), sink);
  }
  if (answer_cache_ != nullptr) Remember(slot, index);
  if (!ask_.stream) return;
  // On its own, not with text: some clients lose the reason otherwise.
  const AnswerPart last{.index = static_cast<int64_t>(index), .finish_reason = FinishName(reason)};
  Stream(slot, last, sink);
}

void CompletionRun::Remember(Slot& slot, size_t index) const {
  const auto num_choices = static_cast<size_t>(ask_.num_choices);
  if (index % num_choices != 0) return;  // one of them will do
  CachedAnswer answer{.finish_reason = FinishName(slot.choice.reason()),
                      .num_tokens = slot.choice.num_generated()};
  answer.text = ask_.stream ? std::move(slot.text) : slot.text;
  answer_cache_->Put(task_.cache_salt, task_.prompts[index / num_choices].ids, std::move(answer));
}

void CompletionRun::Fail(const ApiError& error, ReplySink& sink) {
  const bool has_own_status = !begun_ || !ask_.stream || sink.HoldsHead();
  if (has_own_status) return sink.Whole(ErrorResponse(error));
  sink.Write("data: ");
  sink.Write(RenderError(error));
  sink.Write("\n\n");
  sink.EndAndClose();
}

void CompletionRun::EndStream(ReplySink& sink) const {
  if (ask_.include_usage) format_.AppendUsageChunk(Usage(), sink.bytes());
  sink.Write(kStreamDone);
  sink.End();
}

void CompletionRun::SendWhole(ReplySink& sink) {
  std::vector<AnswerPart> choices;
  for (size_t i = 0; i < slots_.size(); ++i) {
    AnswerPart choice{.index = static_cast<int64_t>(i),
                      .text = slots_[i].text,
                      .finish_reason = FinishName(slots_[i].choice.reason())};
    if (with_logprobs()) choice.logprobs = slots_[i].logprobs;
    if (ask_.prompt_logprobs) choice.prompt_logprobs = slots_[i].choice.prompt_logprobs();
    if (ask_.return_token_ids) {
      choice.token_ids = slots_[i].token_ids;
      choice.prompt_token_ids = PromptOf(choice.index).ids;
    }
    choices.push_back(choice);
  }
  HttpResponse response;
  response.body = format_.Whole(choices, Usage());
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - task_.received;
  response.headers.push_back(
      {"openai-processing-ms", std::to_string(static_cast<int64_t>(elapsed.count()))});
  sink.Whole(std::move(response));
}

const EncodedPrompt& CompletionRun::PromptOf(int64_t slot_index) const {
  return task_.prompts[static_cast<size_t>(slot_index / ask_.num_choices)];
}

// A prompt counts once, however many choices it has.
AnswerUsage CompletionRun::Usage() const {
  AnswerUsage usage;
  const auto num_choices = static_cast<size_t>(ask_.num_choices);
  for (size_t i = 0; i < slots_.size(); ++i) {
    usage.completion_tokens += slots_[i].choice.num_generated();
    if (i % num_choices != 0) continue;
    usage.prompt_tokens += static_cast<int64_t>(task_.prompts[i / num_choices].ids.size());
    usage.cached_tokens += slots_[i].choice.num_cached();
  }
  return usage;
}

}  // namespace tandem
