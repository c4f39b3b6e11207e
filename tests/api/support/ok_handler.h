#pragma once
// An application without routes: 200 and {} to everything.

#include "api/http/handler.h"

namespace tandem {

class OkHandler : public HttpHandler {
 public:
  std::optional<HttpResponse> CheckHead(const HttpRequest&) override { return std::nullopt; }
  Reply Handle(HttpRequest&, Waker) override { return HttpResponse{.body = "{}"}; }
  std::vector<HttpHeader> HeadersFor(const HttpRequest&) override { return {}; }
  HttpResponse Refuse(int status, std::string_view) override { return {.status = status}; }
  void Failed(std::string_view) override {}
  void Finished(const HttpRequest&, int) override {}
};

}  // namespace tandem
