#pragma once
// Answers for the routes while the model is loading: 503 with Retry-After, and 200 for /health, as
// the process is alive. On the I/O thread; outlives the server.

#include "api/http/handler.h"
#include "engine/base/log.h"

namespace tandem {

class StartupGate : public HttpHandler {
 public:
  explicit StartupGate(Logger& log) : log_(log) {}  // which outlives it

  // From now on everything goes to `inner`, which outlives the server.
  void Open(HttpHandler& inner) { inner_ = &inner; }

  std::optional<HttpResponse> CheckHead(const HttpRequest& request) override;
  Reply Handle(HttpRequest& request, Waker wake) override;
  std::vector<HttpHeader> HeadersFor(const HttpRequest& request) override;
  HttpResponse Refuse(int status, std::string_view message) override;
  void Failed(std::string_view what) override;
  void Finished(const HttpRequest& request, int status) override;

 private:
  Logger& log_;
  HttpHandler* inner_ = nullptr;
};

}  // namespace tandem
