#include "api/cli/local_engine.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>

#include "api/routes/completion_choice.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAskInterval{20};

// Lets a thread sleep until its outbox has something.
class Bell {
 public:
  void Ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }
  void WaitFor(std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, longest, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

}  // namespace

double LocalAnswer::tokens_per_second() const {
  // Tokens that came together with the first say nothing about the time between tokens.
  const bool came_at_once = num_generated <= num_first;
  const double seconds = (came_at_once ? total : total - to_first).count();
  const int64_t count = num_generated - (came_at_once ? 0 : num_first);
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

LocalEngine::LocalEngine(const LoadedModel& model, const ModelOptions& options)
    : model_(model), loop_(*model.runner, MakeSchedulerConfig(options)) {}

LocalAnswer LocalEngine::Run(Prompt prompt, const GenerationRequest& ask, const Watch& watch) {
  if (prompt.ids.empty()) throw ConfigError("the prompt has no token; give some text");
  auto request = std::make_shared<Request>();
  request->id = RequestId{next_id_++};
  request->prompt = std::move(prompt.ids);
  request->sampling = ask.sampling;
  request->eos_ids = model_.eos_ids;

  // The engine may still hold a cancelled request's outbox when this returns.
  const auto bell = std::make_shared<Bell>();
  const auto outbox = std::make_shared<Outbox>([bell] { bell->Ring(); });
  CompletionChoice choice(*model_.tokenizer, ask, request->prompt, prompt.text);
  LocalAnswer answer{.num_prompt = static_cast<int64_t>(request->prompt.size())};
  const auto start = steady_clock::now();
  if (loop_.Submit(request, outbox)) {
    throw ConfigError(fmt::format(
        "the prompt's {} tokens and {} more do not fit the context of {} tokens, or its KV memory",
        answer.num_prompt, ask.sampling.max_tokens, max_context()));
  }
  while (!choice.finished()) {
    bell->WaitFor(kAskInterval);
    const std::string text = choice.Advance(outbox->Drain()).text;
    if (!text.empty()) watch.on_text(text);
    answer.text += text;
    if (!choice.finished() && !watch.keep_going()) {
      loop_.Cancel(request->id, FinishReason::kCancelled);
      answer.reason = FinishReason::kCancelled;
      break;
    }
    if (answer.num_first > 0) continue;
    answer.num_first = choice.num_generated();
    answer.to_first = steady_clock::now() - start;
  }
  answer.total = steady_clock::now() - start;
  answer.num_generated = choice.num_generated();
  answer.num_cached = choice.num_cached();
  if (!choice.finished()) return answer;
  answer.reason = choice.reason();
  if (choice.stopped_by_string()) loop_.Cancel(request->id, FinishReason::kStop);
  if (answer.reason == FinishReason::kFailed) throw DeviceError(choice.message());
  return answer;
}

}  // namespace tandem
