#pragma once
// One HTTP/1 request from bytes, strictly: what two parsers could read differently is refused
// (folded headers, bare line ends, Transfer-Encoding beside Content-Length or other than "chunked",
// several lengths or hosts). Boost.Beast 1.81 parses; the checks it lacks stand here. One object a
// request.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/limits.h"
#include "api/http/message.h"

namespace tandem {

class RequestParser {
 public:
  explicit RequestParser(const HttpLimits& limits);
  ~RequestParser();

  // `head` is everything up to and with the empty line. Fills all of `request` but body and id.
  std::optional<HttpFault> ParseHead(std::string_view head, HttpRequest& request);

  // After ParseHead.
  bool body_done() const;
  bool expects_continue() const { return expects_continue_; }

  // Consumes what belongs to the body from the front of `input`; the rest stays.
  std::optional<HttpFault> PutBody(std::string& input);
  std::string TakeBody();

 private:
  struct State;
  std::optional<HttpFault> ParseWithBeast(std::string_view head);

  const HttpLimits& limits_;
  std::unique_ptr<State> state_;
  bool expects_continue_ = false;
};

// The client's x-request-id if it is 1 to 128 characters of [A-Za-z0-9._:-].
bool IsSaneRequestId(std::string_view id);

}  // namespace tandem
