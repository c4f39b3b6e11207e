#include "loadtest/ladder/ladder_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "loadtest/http/request_message.h"
#include "loadtest/run/client_load.h"
#include "loadtest/run/exchange.h"
#include "loadtest/workload/request_maker.h"

namespace tandem {

using Offset = RequestRecord::Offset;

namespace {

// Timers know it weakly: one that has run out and is not yet told of may be told when it is gone.
class LadderRun final : public std::enable_shared_from_this<LadderRun>, private Exchange::Owner {
 public:
  // Borrows all.
  LadderRun(boost::asio::io_context& io, const Workload& workload,
            const LadderRunSettings& settings);

  LadderRunOutcome Execute();

 private:
  // One request at a time, and what came of it so far.
  struct Slot {
    Slot(ConnectionSource& connections, Exchange::Owner& owner, const RunClock& clock)
        : exchange(connections, owner, clock) {}

    Exchange exchange;
    bool is_running = false;
    size_t request_index = 0;
    TokenRequest ask;
    std::vector<int64_t> answer;  // of finished exchanges
    RequestRecord record;         // of the whole request
  };

  void BeginNext(Slot& slot);
  void Ask(Slot& slot);
  std::string Body(const Slot& slot) const;
  void OnOutput(RequestRecord::Offset) override {}
  void OnDone(Exchange& exchange) override;
  bool TakeAnswer(Slot& slot);
  void AddPart(Slot& slot, const RequestRecord& part) const;
  void Finish(Slot& slot);
  void Refill(Slot& slot);
  void Fail(std::string failure);
  int64_t NumTokens() const;
  void At(std::chrono::milliseconds time, boost::asio::steady_timer& timer,
          void (LadderRun::*action)());
  void BeginWindow();
  void EndWindow();
  void GiveUp();

  boost::asio::io_context& io_;
  const Workload& workload_;
  const LadderRunSettings& settings_;
  ConnectionPool pool_;
  RequestMaker maker_;
  SteadyRunClock clock_;
  boost::asio::steady_timer warm_up_timer_;
  boost::asio::steady_timer end_timer_;
  boost::asio::steady_timer drain_timer_;

  std::vector<std::unique_ptr<Slot>> slots_;  // requests at a time
  size_t num_running_ = 0;                    // slots with a request
  size_t num_begun_ = 0;                      // requests
  int64_t num_finished_tokens_ = 0;           // of whole answers
  int64_t num_warm_up_tokens_ = 0;
  RequestRecord::Offset window_begin_{-1};  // set by BeginWindow; negative before
  bool is_over_ = false;                    // no request begins any more
  LadderRunOutcome outcome_;
};

LadderRun::LadderRun(boost::asio::io_context& io, const Workload& workload,
                     const LadderRunSettings& settings)
    : io_(io),
      workload_(workload),
      settings_(settings),
      pool_(io, settings.url, TlsCheck::kVerify),
      maker_(workload, {.url = settings.url, .api_key = "", .model = settings.model},
             /*salt=*/0),
      warm_up_timer_(io),
      end_timer_(io),
      drain_timer_(io) {
  const bool is_alone =
      settings.load == LadderLoad::kRecompute || settings.load == LadderLoad::kOneByOne;
  const auto num_slots = is_alone ? size_t{1} : static_cast<size_t>(workload.num_users);
  for (size_t i = 0; i < num_slots; ++i) {
    Exchange::Owner& owner = *this;
    slots_.push_back(std::make_unique<Slot>(pool_, owner, clock_));
    slots_.back()->exchange.tag = i;
  }
}

LadderRunOutcome LadderRun::Execute() {
  io_.restart();
  ClientLoad client;
  clock_.Start();
  At(workload_.warm_up, warm_up_timer_, &LadderRun::BeginWindow);
  At(workload_.duration, end_timer_, &LadderRun::EndWindow);
  At(workload_.duration + settings_.drain, drain_timer_, &LadderRun::GiveUp);
  for (const auto& slot : slots_) BeginNext(*slot);
  while (!is_over_ || num_running_ > 0) io_.run_one();
  client.Sample();
  outcome_.client_cpu_share = client.mean_share();
  return std::move(outcome_);
}

void LadderRun::At(std::chrono::milliseconds time, boost::asio::steady_timer& timer,
                   void (LadderRun::*action)()) {
  timer.expires_at(clock_.start() + time);
  timer.async_wait([weak = weak_from_this(), action](const boost::system::error_code& error) {
    const std::shared_ptr<LadderRun> self = weak.lock();
    if (!error && self != nullptr) (self.get()->*action)();
  });
}

void LadderRun::BeginNext(Slot& slot) {
  slot.ask = maker_.MakeTokens();
  slot.answer.clear();
  slot.record = {.scheduled = clock_.Now(), .is_streamed = true, .has_usage = true};
  slot.record.sent = slot.record.scheduled;
  slot.request_index = num_begun_++;
  slot.is_running = true;
  ++num_running_;
  Ask(slot);
}

void LadderRun::Ask(Slot& slot) {
  const std::string message = RequestMessage(
      {.url = settings_.url, .path = PathOf(Api::kCompletions), .api_key = "", .request_id = ""},
      Body(slot));
  // The drain timer is the deadline of all.
  slot.exchange.Start({.request = message, .scheduled = clock_.Now(), .deadline = Offset::max()});
}

std::string LadderRun::Body(const Slot& slot) const {
  const bool is_one_token = settings_.load == LadderLoad::kRecompute;
  std::string body = fmt::format(R"({{"prompt":[{})", fmt::join(slot.ask.prompt, ","));
  if (!slot.answer.empty()) body += fmt::format(",{}", fmt::join(slot.answer, ","));
  body +=
      fmt::format(R"(],"max_tokens":{},"temperature":0,"ignore_eos":true,"return_token_ids":true)",
                  is_one_token ? 1 : slot.ask.num_output_tokens);
  if (!settings_.model.empty()) {
    body += R"(,"model":)" + nlohmann::json(settings_.model).dump();
  }
  if (!is_one_token) body += R"(,"stream":true,"stream_options":{"include_usage":true})";
  return body + "}";
}

void LadderRun::OnDone(Exchange& exchange) {
  Slot& slot = *slots_[exchange.tag];
  const RequestRecord& part = exchange.record();
  if (part.outcome != Outcome::kCompleted) {
    slot.is_running = false;
    --num_running_;
    return Fail(fmt::format("{}: {}", Name(part.outcome), Printable(exchange.reason(), 300)));
  }
  AddPart(slot, part);
  if (!TakeAnswer(slot)) return;
  const bool is_whole = std::ssize(slot.answer) >= slot.ask.num_output_tokens;
  if (!is_whole) return Ask(slot);
  Finish(slot);
  Refill(slot);
}

// Moves the tokens that came to the answer; false when they are not as many as were asked for.
bool LadderRun::TakeAnswer(Slot& slot) {
  const auto ids = slot.exchange.token_ids();
  const int64_t num_asked =
      settings_.load == LadderLoad::kRecompute ? 1 : slot.ask.num_output_tokens;
  if (std::ssize(ids) == num_asked) {
    slot.answer.insert(slot.answer.end(), ids.begin(), ids.end());
    return true;
  }
  slot.is_running = false;
  --num_running_;
  Fail(
      fmt::format("an answer has {} token ids and not the {} that were asked for; the server must "
                  "know ignore_eos and return_token_ids",
                  ids.size(), num_asked));
  return false;
}

// The whole request's record, of its exchanges so far.
void LadderRun::AddPart(Slot& slot, const RequestRecord& part) const {
  RequestRecord& record = slot.record;
  if (slot.answer.empty()) {
    record.first_output = part.is_streamed ? part.first_output : part.end;
    record.num_input_tokens = part.num_input_tokens;
    record.num_cached_tokens = part.num_cached_tokens;
    record.status = part.status;
  }
  record.end = part.end;
}

void LadderRun::Finish(Slot& slot) {
  slot.is_running = false;
  --num_running_;
  slot.record.num_output_tokens = std::ssize(slot.answer);
  num_finished_tokens_ += slot.record.num_output_tokens;
  if (window_begin_ >= Offset(0)) outcome_.total.Add(slot.record, slot.exchange.gaps(), {});
  if (outcome_.answers.size() <= slot.request_index) {
    outcome_.answers.resize(slot.request_index + 1);
  }
  outcome_.answers[slot.request_index] = std::move(slot.answer);
  slot.answer.clear();
}

void LadderRun::Refill(Slot& slot) {
  if (is_over_) return;
  if (settings_.load != LadderLoad::kBatches) return BeginNext(slot);
  if (num_running_ > 0) return;
  for (const auto& each : slots_) BeginNext(*each);
}

// The others are dropped: what they would measure is not to be used.
void LadderRun::Fail(std::string failure) {
  if (!outcome_.failure.empty()) return;  // of those that are dropped
  outcome_.failure = std::move(failure);
  is_over_ = true;
  for (const auto& slot : slots_) {
    if (slot->exchange.is_running()) slot->exchange.Cut(Outcome::kUnfinished);
  }
}

int64_t LadderRun::NumTokens() const {
  int64_t count = num_finished_tokens_;
  for (const auto& slot : slots_) {
    if (!slot->is_running) continue;
    count += std::ssize(slot->answer);
    if (slot->exchange.is_running()) count += std::ssize(slot->exchange.token_ids());
  }
  return count;
}

void LadderRun::BeginWindow() {
  window_begin_ = clock_.Now();
  num_warm_up_tokens_ = NumTokens();
}

void LadderRun::EndWindow() {
  is_over_ = true;
  outcome_.num_output_tokens = NumTokens() - num_warm_up_tokens_;
  outcome_.window_seconds = std::chrono::duration<double>(clock_.Now() - window_begin_).count();
}

void LadderRun::GiveUp() {
  Fail(fmt::format("no answer within {} s after the last request began",
                   std::chrono::duration_cast<std::chrono::seconds>(settings_.drain).count()));
}

}  // namespace

LadderRunOutcome RunLadderLoad(boost::asio::io_context& io, const Workload& workload,
                               const LadderRunSettings& settings) {
  return std::make_shared<LadderRun>(io, workload, settings)->Execute();
}

void CheckLadderWorkload(const Workload& workload) {
  const auto refuse = [&workload](std::string_view what) {
    throw ConfigError(
        fmt::format("the ladder cannot use workload {}: {}", Quoted(workload.name), what));
  };
  if (workload.api != Api::kCompletions) refuse("api must be completions");
  if (!workload.is_closed_loop()) refuse("it must be a closed-loop");
  for (const RequestClass& request : workload.classes) {
    if (!request.texts.empty() || request.prompt.unit != PromptUnit::kTokens) {
      refuse("prompts must be of tokens, as the answers are sent again with them");
    }
    if (request.temperature != 0.0 || !request.ignore_eos) {
      refuse("requests must have temperature: 0 and ignore-eos: true, so that answers compare");
    }
    if (request.cancel_share > 0.0) refuse("requests must not be cancelled");
  }
}

}  // namespace tandem
