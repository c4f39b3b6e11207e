#pragma once
// Where the server under test is: "http://127.0.0.1:8000", "https://api.example/v1". Plain data.

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

struct ServerUrl {
  bool is_secure = false;
  std::string host;  // a name or an address; of IPv6 without its brackets
  uint16_t port = 80;
  std::string base_path;  // before every route; "" or "/prefix", without a trailing "/v1"

  std::string HostHeader() const;
  std::string Text() const;
};

// ConfigError that names what is wrong with it.
ServerUrl ParseServerUrl(std::string_view text);

}  // namespace tandem
