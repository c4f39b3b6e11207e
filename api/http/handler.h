#pragma once
// What the server asks of the application. All calls come on the I/O thread.

#include <optional>
#include <string_view>
#include <vector>

#include "api/http/message.h"
#include "api/http/reply.h"

namespace tandem {

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // The head is complete, the body is not read yet: an answer here refuses it.
  virtual std::optional<HttpResponse> CheckHead(const HttpRequest& request) = 0;
  // May take the body; the rest stays with the connection. Exceptions become Failed and
  // Refuse(500).
  virtual Reply Handle(HttpRequest& request, Waker wake) = 0;
  // Headers of every answer to this request, whoever makes it.
  virtual std::vector<HttpHeader> HeadersFor(const HttpRequest& request) = 0;
  // The body of an error that arose below the routes: framing, limits, time, exceptions.
  virtual HttpResponse Refuse(int status, std::string_view message) = 0;
  // An exception left a route: for the log.
  virtual void Failed(std::string_view what) = 0;
  // Once for each request or refusal. status 499: the client left before the answer was complete.
  virtual void Finished(const HttpRequest& request, int status) = 0;
};

}  // namespace tandem
