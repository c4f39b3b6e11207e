#pragma once
// The engine loop as the routes see it.

#include <memory>
#include <optional>
#include <utility>

#include "api/routes/completion_engine.h"

namespace tandem {

class LoopEngine : public CompletionEngine {
 public:
  explicit LoopEngine(EngineLoop& loop) : loop_(loop) {}  // which outlives this

  std::optional<Rejection> Submit(std::shared_ptr<const Request> request,
                                  std::shared_ptr<Outbox> outbox) override {
    return loop_.Submit(std::move(request), std::move(outbox));
  }
  void Cancel(RequestId id, FinishReason reason) override { loop_.Cancel(id, reason); }
  EngineStats Stats() const override { return loop_.Stats(); }
  bool Healthy() const override { return loop_.Healthy(); }

 private:
  EngineLoop& loop_;
};

}  // namespace tandem
