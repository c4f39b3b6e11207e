#pragma once
// A look at the server before the load: that it is there, what it is, which model it serves. Made
// by the commands; blocks until it is answered or a few seconds passed.

#include <cstdint>
#include <string>

#include "loadtest/http/connection.h"
#include "loadtest/http/server_url.h"

namespace tandem {

struct ServerInfo {
  std::string version;        // what /version says, one line of JSON; "" where there is none
  std::string model;          // the first of /v1/models; "" where there is none
  int64_t max_model_len = 0;  // its context, in tokens; 0: not said
};

// ConfigError that says what to do when there is no server at all. One that knows neither route is
// fine.
ServerInfo ProbeServer(const ServerUrl& url, TlsCheck check, const std::string& api_key);

}  // namespace tandem
