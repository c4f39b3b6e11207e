#pragma once
// What happened in the engine, as it happens, for histograms and logs. Called on the engine thread,
// so an implementation must be quick and must neither block nor throw.

#include <chrono>
#include <cstdint>
#include <string_view>

namespace tandem {

class EngineObserver {
 public:
  using Seconds = std::chrono::duration<double>;

  virtual ~EngineObserver() = default;
  virtual void OnStarted(Seconds /*queued*/) {}            // a request runs for the first time
  virtual void OnFirstToken(Seconds /*since_arrival*/) {}  // end tokens count
  virtual void OnNextToken(Seconds /*since_last_token*/) {}
  virtual void OnStep(Seconds /*elapsed*/, int64_t /*num_tokens*/, int64_t /*num_sequences*/) {}
  // A step or an invariant failed; `what` has the internal details that clients are not shown.
  virtual void OnFailure(std::string_view /*what*/) {}
};

}  // namespace tandem
