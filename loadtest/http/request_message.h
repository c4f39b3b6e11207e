#pragma once
// An HTTP/1.1 request as the bytes that go to the server. Pure function.

#include <string>
#include <string_view>

#include "loadtest/http/server_url.h"

namespace tandem {

// Borrows everything.
struct RequestHead {
  const ServerUrl& url;
  std::string_view path;        // after the URL's own: "/v1/completions"
  std::string_view api_key;     // empty: none
  std::string_view request_id;  // x-request-id; empty: none
};

// POST of a JSON text; GET where that is empty.
std::string RequestMessage(const RequestHead& head, std::string_view json);

}  // namespace tandem
