#include "loadtest/http/server_url.h"

#include <fmt/format.h>

#include <charconv>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr std::string_view kForm = "; give one like http://127.0.0.1:8000";

[[noreturn]] void Fail(std::string_view url, std::string_view what) {
  throw ConfigError(fmt::format("--url {} {}{}", Quoted(url), what, kForm));
}

uint16_t ParsePort(std::string_view url, std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    Fail(url, fmt::format("has the port {}; ports are 1 to 65535", Quoted(text)));
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

std::string ServerUrl::HostHeader() const {
  const std::string name = host.find(':') == host.npos ? host : "[" + host + "]";
  return port == (is_secure ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

std::string ServerUrl::Text() const {
  return (is_secure ? "https://" : "http://") + HostHeader() + base_path;
}

ServerUrl ParseServerUrl(std::string_view text) {
  ServerUrl url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.is_secure = true;
    url.port = 443;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    Fail(text, "does not begin with http:// or https://");
  }
  for (const char c : rest) {
    if (c <= ' ' || c == '\x7f') Fail(text, "has a space or a control character");
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  url.base_path = rest.substr(slash);
  while (url.base_path.ends_with('/')) url.base_path.pop_back();
  if (url.base_path.ends_with("/v1")) url.base_path.resize(url.base_path.size() - 3);
  if (url.base_path.find_first_of("?#") != std::string::npos) Fail(text, "has a query");
  if (authority.find('@') != authority.npos) Fail(text, "has a user; a key goes into --api-key");
  size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const size_t bracket = authority.find(']');
    if (bracket == authority.npos) Fail(text, "has an address without its ]");
    url.host = authority.substr(1, bracket - 1);
    colon = bracket + 1 < authority.size() ? bracket + 1 : authority.npos;
    if (colon != authority.npos && authority[colon] != ':') Fail(text, "has text after its ]");
  } else {
    url.host = authority.substr(0, colon);
  }
  if (url.host.empty()) Fail(text, "names no host");
  if (colon != authority.npos) url.port = ParsePort(text, authority.substr(colon + 1));
  return url;
}

}  // namespace tandem
