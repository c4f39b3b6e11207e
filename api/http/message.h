#pragma once
// HTTP messages as the rest of the api sees them: plain values, no networking library. A request is
// filled by RequestParser; a response is serialised by AppendHead and the connection.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;  // as sent; methods are case-sensitive
  std::string path;    // starts with '/', without the query; not percent-decoded
  std::string query;   // without '?'
  std::vector<HttpHeader> headers;
  std::string body;
  std::string id;  // the client's x-request-id when it is sane, else ours
  bool http10 = false;
  bool keep_alive = true;
  std::chrono::steady_clock::time_point received;  // when the head was complete

  // The first header of that name (any case); empty when absent.
  std::string_view Header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers;  // besides those that the connection adds
  std::string body;
};

// A request that cannot be read: the connection answers and closes.
struct HttpFault {
  int status = 400;
  std::string message;
};

bool EqualsIgnoringCase(std::string_view a, std::string_view b);
std::string_view ReasonPhrase(int status);

}  // namespace tandem
