#include "api/routes/startup_gate.h"

#include <utility>

#include "api/openai/error.h"

namespace tandem {

namespace {

HttpResponse Loading(const HttpRequest& request) {
  if (request.path == "/health") return {.body = R"({"status":"loading"})"};
  return ErrorResponse(ErrorOfStatus(503, "the model is still loading; try again in a moment"));
}

}  // namespace

// An answer here closes the connection, so none that began before Open reaches Handle after it.
std::optional<HttpResponse> StartupGate::CheckHead(const HttpRequest& request) {
  return inner_ != nullptr ? inner_->CheckHead(request) : Loading(request);
}

Reply StartupGate::Handle(HttpRequest& request, Waker wake) {
  if (inner_ == nullptr) return Loading(request);
  return inner_->Handle(request, std::move(wake));
}

std::vector<HttpHeader> StartupGate::HeadersFor(const HttpRequest& request) {
  return inner_ != nullptr ? inner_->HeadersFor(request) : std::vector<HttpHeader>();
}

HttpResponse StartupGate::Refuse(int status, std::string_view message) {
  if (inner_ != nullptr) return inner_->Refuse(status, message);
  return ErrorResponse(ErrorOfStatus(status, message));
}

void StartupGate::Failed(std::string_view what) {
  if (inner_ != nullptr) return inner_->Failed(what);
  log_.Error("request failed", {{"what", what}});
}

void StartupGate::Finished(const HttpRequest& request, int status) {
  if (inner_ != nullptr) inner_->Finished(request, status);
}

}  // namespace tandem
