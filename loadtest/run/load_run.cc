#include "loadtest/run/load_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <deque>
#include <optional>
#include <queue>
#include <vector>

#include "loadtest/run/client_load.h"
#include "loadtest/run/exchange.h"
#include "loadtest/workload/request_maker.h"

namespace tandem {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Offset = RequestRecord::Offset;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kSweep(20);  // how late a timeout may be
constexpr milliseconds kProgress(250);
constexpr milliseconds kSecond(1000);
constexpr milliseconds kAfterError(100);  // a user of a closed loop tries no faster than that
constexpr uint64_t kArrivalStream = 0;    // of the workload's seed
constexpr uint64_t kThinkStream = 3;

std::unique_ptr<ArrivalProcess> ArrivalsOf(const Workload& workload) {
  if (workload.is_closed_loop()) return nullptr;
  if (workload.trace) return TraceArrivals(workload.trace->entries, workload.trace->speed);
  return MakeArrivals({.spacing = workload.spacing,
                       .rate = workload.rate,
                       .end_rate = workload.end_rate,
                       .burstiness = workload.burstiness,
                       .duration = workload.duration,
                       .seed = MixedSeed(workload.seed, kArrivalStream)});
}

// A request that is to be made at a time, by a user of a closed loop (or by nobody in particular).
struct Due {
  Offset at{};
  size_t slot = 0;  // of the user

  bool operator>(const Due& other) const { return at > other.at; }
};

}  // namespace

class LoadRun::State final : public Exchange::Owner {
 public:
  State(const Workload& workload, const RunSettings& settings,
        std::function<void(const LoadProgress&)> on_progress)
      : workload_(workload),
        settings_(settings),
        on_progress_(std::move(on_progress)),
        pool_(io_, settings.url, settings.tls_check),
        maker_(workload, {settings.url, settings.api_key, settings.model}, settings.salt),
        arrivals_(ArrivalsOf(workload)),
        think_(MixedSeed(workload.seed, kThinkStream)),
        timeline_(workload.duration),
        timer_(io_),
        sweep_timer_(io_),
        signals_(io_, SIGINT, SIGTERM) {
    for (const RequestClass& request : workload_.classes) classes_.emplace_back(request.name);
  }

  RunOutcome Execute() {
    client_.emplace();
    clock_.Start();
    signals_.async_wait([this](const ErrorCode& error, int) {
      if (!error) Interrupt();
    });
    if (arrivals_ == nullptr) {
      for (int64_t i = 0; i < workload_.num_users; ++i) due_.push({Offset{}, NewSlot()});
    } else {
      TakeArrival();
    }
    Sweep();
    OnTimer();
    io_.run();
    client_->Sample();
    return MakeOutcome();
  }

 private:
  struct Slot {
    Slot(ConnectionPool& pool, Exchange::Owner& owner, const RunClock& clock)
        : exchange(pool, owner, clock) {}

    Exchange exchange;
    std::unique_ptr<Dialogue> conversation;  // that goes on after this exchange
  };

  Offset Now() const { return clock_.Now(); }

  size_t NewSlot() {
    slots_.push_back(std::make_unique<Slot>(pool_, *this, clock_));
    slots_.back()->exchange.tag = slots_.size() - 1;
    return slots_.size() - 1;
  }

  size_t FreeSlot() {
    if (free_slots_.empty()) return NewSlot();
    const size_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }

  // The next request of an open loop, if there is one.
  void TakeArrival() {
    next_arrival_ = arrivals_->Next();
    if (next_arrival_ && *next_arrival_ >= workload_.duration) next_arrival_.reset();
  }

  void OnTimer() {
    const Offset now = Now();
    while (next_arrival_ && *next_arrival_ <= now) {
      waiting_.push_back(*next_arrival_);
      ++num_due_;
      TakeArrival();
    }
    SendWaiting();
    while (!due_.empty() && due_.top().at <= now) {
      const Due due = due_.top();
      due_.pop();
      if (due.at >= workload_.duration) continue;
      ++num_due_;
      Launch(due.slot, due.at);
    }
    if (next_arrival_ || !due_.empty()) {
      timer_.expires_at(clock_.start() + (next_arrival_ ? *next_arrival_ : due_.top().at));
      timer_.async_wait([this](const ErrorCode& error) {
        if (!error) OnTimer();
      });
    }
    StopIfDone();
  }

  void SendWaiting() {
    while (!waiting_.empty() && num_in_flight_ < settings_.max_in_flight) {
      const Offset scheduled = waiting_.front();
      waiting_.pop_front();
      Launch(FreeSlot(), scheduled);
    }
  }

  MadeRequest MakeRequest(Slot& slot) {
    if (slot.conversation != nullptr) {  // of a closed loop's user
      return maker_.Continue(std::move(slot.conversation), slot.exchange.text());
    }
    if (!ready_.empty()) {
      auto [conversation, answer] = std::move(ready_.front());
      ready_.pop_front();
      return maker_.Continue(std::move(conversation), answer);
    }
    if (workload_.trace && next_entry_ < workload_.trace->entries.size()) {
      return maker_.Make(workload_.trace->entries[next_entry_++]);
    }
    return maker_.Make();
  }

  void Launch(size_t index, Offset scheduled) {
    Slot& slot = *slots_[index];
    MadeRequest made = MakeRequest(slot);
    slot.conversation = std::move(made.conversation);
    ++num_in_flight_;
    peak_in_flight_ = std::max(peak_in_flight_, num_in_flight_);
    slot.exchange.Start({.request = std::move(made.message),
                         .scheduled = scheduled,
                         .deadline = Now() + settings_.timeout,
                         .class_index = static_cast<uint32_t>(made.class_index),
                         .cancel_after = made.cancel_after,
                         .keeps_text = slot.conversation != nullptr});
  }

  void OnOutput(Offset at) override { timeline_.CountOutput(at); }

  void OnDone(Exchange& exchange) override {
    --num_in_flight_;
    Record(exchange);
    const size_t index = exchange.tag;
    Slot& slot = *slots_[index];
    if (exchange.record().outcome != Outcome::kCompleted) slot.conversation.reset();
    if (workload_.is_closed_loop()) {
      due_.push({Now() + PauseAfter(exchange.record().outcome), index});
      if (!is_stopping_) OnTimer();
      return;
    }
    if (slot.conversation != nullptr) {
      ready_.emplace_back(std::move(slot.conversation), exchange.text());
    }
    free_slots_.push_back(index);
    SendWaiting();
    StopIfDone();
  }

  Offset PauseAfter(Outcome outcome) {
    const Offset mean = workload_.think_time;
    const Offset pause = workload_.think_kind == ThinkTime::kFixed
                             ? mean
                             : std::chrono::duration_cast<Offset>(mean * think_.Exponential());
    return IsError(outcome) ? std::max(pause, Offset(kAfterError)) : pause;
  }

  void Record(const Exchange& exchange) {
    const RequestRecord& record = exchange.record();
    timeline_.Add(record);
    if (record.outcome == Outcome::kCompleted) ++num_completed_;
    if (IsError(record.outcome)) {
      ++num_errors_;
      reasons_.try_emplace(record.outcome, exchange.reason());
    }
    if (exchange.was_retried()) ++num_retries_;
    if (record.scheduled < workload_.warm_up) return;
    total_.Add(record, exchange.gaps(), settings_.good_limits);
    classes_[record.class_index].Add(record, exchange.gaps(), settings_.good_limits);
    if (record.outcome == Outcome::kCompleted) last_end_ = std::max(last_end_, record.end);
  }

  bool HasMore() const {
    if (next_arrival_ || !waiting_.empty()) return true;
    return !due_.empty() && due_.top().at < workload_.duration;
  }
  void StopIfDone() {
    if (num_in_flight_ == 0 && !HasMore()) io_.stop();
  }

  // Cuts what takes too long, and tells how it goes.
  void Sweep() {
    const Offset now = Now();
    const bool is_over = now >= workload_.duration + settings_.drain;
    if (is_over) CutAll();
    for (size_t i = 0; i < slots_.size(); ++i) {
      Exchange& exchange = slots_[i]->exchange;
      if (exchange.is_running() && exchange.deadline() <= now) exchange.Cut(Outcome::kTimeout);
    }
    if (now - last_sample_ >= kSecond) {
      client_->Sample();
      last_sample_ = now;
    }
    if (on_progress_ && now - last_progress_ >= kProgress) {
      last_progress_ = now;
      on_progress_(Progress(now));
    }
    sweep_timer_.expires_after(kSweep);
    sweep_timer_.async_wait([this](const ErrorCode& error) {
      if (!error) Sweep();
    });
  }

  LoadProgress Progress(Offset now) const {
    return {.seconds = std::chrono::duration<double>(now).count(),
            .num_due = num_due_,
            .num_completed = num_completed_,
            .num_errors = num_errors_,
            .num_in_flight = num_in_flight_,
            .num_waiting = std::ssize(waiting_),
            .e2e_p50_ms = static_cast<double>(total_.of(Metric::kE2e).Quantile(0.5)) / 1000.0};
  }

  void Interrupt() {
    was_interrupted_ = true;
    CutAll();
    io_.stop();
  }

  // Also those that never left: they were due, and had no answer. Of which kind they would have
  // been is not decided before they leave, so they are in no kind's measures.
  void CutAll() {
    is_stopping_ = true;
    next_arrival_.reset();
    const Offset now = Now();
    for (const Offset scheduled : std::exchange(waiting_, {})) {
      const RequestRecord record{
          .scheduled = scheduled, .sent = now, .end = now, .outcome = Outcome::kNotSent};
      timeline_.Add(record);
      ++num_errors_;
      reasons_.try_emplace(Outcome::kNotSent, "held back by --max-in-flight until the run was cut");
      if (scheduled >= workload_.warm_up) total_.Add(record, {}, settings_.good_limits);
    }
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i]->exchange.is_running()) slots_[i]->exchange.Cut(Outcome::kUnfinished);
    }
    due_ = {};
    io_.stop();
  }

  RunOutcome MakeOutcome() {
    Offset end = std::max(last_end_, Offset(workload_.duration));
    if (was_interrupted_) end = std::max(Now(), Offset(workload_.warm_up));
    RunOutcome outcome{
        .total = std::move(total_),
        .classes = std::move(classes_),
        .timeline = timeline_.points(),
        .interval_seconds = timeline_.interval_seconds(),
        .num_due = num_due_,
        .peak_in_flight = peak_in_flight_,
        .num_retries = num_retries_,
        .client_cpu_share = client_->mean_share(),
        .client_peak_cpu_share = std::max(client_->peak_share(), client_->mean_share()),
        .reasons = std::move(reasons_),
        .was_interrupted = was_interrupted_};
    outcome.window_seconds = std::chrono::duration<double>(end - workload_.warm_up).count();
    return outcome;
  }

  asio::io_context io_{1};
  const Workload& workload_;
  const RunSettings settings_;
  const std::function<void(const LoadProgress&)> on_progress_;
  ConnectionPool pool_;
  RequestMaker maker_;
  std::unique_ptr<ArrivalProcess> arrivals_;  // null: closed loop
  RandomDraws think_;
  Timeline timeline_;
  asio::steady_timer timer_;  // the next request
  asio::steady_timer sweep_timer_;
  asio::signal_set signals_;
  SteadyRunClock clock_;
  std::optional<ClientLoad> client_;

  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<size_t> free_slots_;      // open loop; in a closed one a slot is a user
  std::optional<Offset> next_arrival_;  // open loop
  std::deque<Offset> waiting_;          // due, and held back by max_in_flight
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;       // closed loop
  std::deque<std::pair<std::unique_ptr<Dialogue>, std::string>> ready_;  // with their answers
  size_t next_entry_ = 0;                                                // of the trace

  Measures total_{"all"};
  std::vector<Measures> classes_;
  std::map<Outcome, std::string> reasons_;
  Offset last_end_{};
  Offset last_sample_{};
  Offset last_progress_{};
  int64_t num_due_ = 0;
  int64_t num_completed_ = 0;
  int64_t num_errors_ = 0;
  int64_t num_in_flight_ = 0;
  int64_t peak_in_flight_ = 0;
  int64_t num_retries_ = 0;
  bool is_stopping_ = false;
  bool was_interrupted_ = false;
};

LoadRun::LoadRun(const Workload& workload, const RunSettings& settings,
                 std::function<void(const LoadProgress&)> on_progress)
    : state_(std::make_unique<State>(workload, settings, std::move(on_progress))) {}

LoadRun::~LoadRun() = default;

RunOutcome LoadRun::Execute() { return state_->Execute(); }

int64_t RaiseConnectionLimit() {
  constexpr rlim_t kOthers = 64;  // files that are no connections
  constexpr rlim_t kMost = 1 << 20;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024 - kOthers;
  limit.rlim_cur = std::min(limit.rlim_max, kMost);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int64_t>(std::max(std::min(limit.rlim_cur, kMost), kOthers + 1) - kOthers);
}

}  // namespace tandem
