#pragma once
// What the routes need of the engine loop, so that they can be tested without a model.

#include <memory>
#include <optional>

#include "scheduler/engine_loop.h"

namespace tandem {

class CompletionEngine {
 public:
  virtual ~CompletionEngine() = default;
  // As in EngineLoop.
  virtual std::optional<Rejection> Submit(std::shared_ptr<const Request> request,
                                          std::shared_ptr<Outbox> outbox) = 0;
  virtual void Cancel(RequestId id, FinishReason reason) = 0;
  virtual EngineStats Stats() const = 0;
  virtual bool Healthy() const = 0;
};

}  // namespace tandem
