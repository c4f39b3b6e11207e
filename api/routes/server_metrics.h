#pragma once
// What /metrics shows: prefix tandem_, base units, _total counters. Histograms and HTTP counters
// are kept here; gauges and totals of the engine are read from its snapshot when asked. Any thread.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "api/routes/circuit_breaker.h"
#include "scheduler/engine_observer.h"
#include "scheduler/engine_stats.h"
#include "scheduler/request.h"

namespace tandem {

class ServerMetrics : public EngineObserver {
 public:
  enum class Names : uint8_t {
    kOwn,
    kOwnAndVllm,  // --metrics-compat vllm
  };
  // `model` labels the info metric.
  explicit ServerMetrics(std::string_view model, Names names = Names::kOwn);
  ~ServerMetrics() override;

  void CountHttp(std::string_view route, int status);
  // One choice of an answer ended, `elapsed` after its request had arrived.
  void CountFinished(FinishReason reason, std::chrono::steady_clock::duration elapsed);

  // On the engine thread.
  void OnStarted(Seconds queued) override;
  void OnFirstToken(Seconds since_arrival) override;
  void OnNextToken(Seconds since_last_token) override;
  void OnStep(Seconds elapsed, int64_t num_tokens, int64_t num_sequences) override;
  void OnFailure(std::string_view what) override;

  // Prometheus' text format.
  std::string Render(const EngineStats& stats, const BreakerStats& breaker = {}) const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem
