#pragma once
// What web pages may ask of this server. A browser sends requests for any page that a person opens,
// from inside the person's machine and network, so "only reachable from here" and "needs no key" do
// not keep pages out by themselves. Immutable.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.h"

namespace tandem {

class BrowserRules {
 public:
  struct Options {
    std::vector<std::string> allowed_origins;  // "https://chat.example", or "*" for all
    std::vector<std::string> allowed_hosts;    // "gpu.example", with or without port; "*" for all
    bool only_local_names = false;  // Host must be a loopback name or one of allowed_hosts
  };

  // Answers to any Host and allows no other origin.
  BrowserRules() = default;
  // ConfigError for an origin that is none.
  explicit BrowserRules(Options options);

  // Why the request is refused: its Host, or the page that it comes from.
  std::optional<std::string> Refusal(const HttpRequest& request) const;
  // A browser's question whether an allowed page may send something. It comes without a key.
  bool IsPreflight(const HttpRequest& request) const;
  HttpResponse AnswerPreflight() const;
  // What lets an allowed page read the answer.
  std::vector<HttpHeader> HeadersFor(const HttpRequest& request) const;

 private:
  bool AllowsHost(std::string_view host) const;
  bool AllowsOrigin(std::string_view origin) const;

  Options options_;  // lower case, hosts without ports
  bool any_origin_ = false;
};

// "localhost", 127.x.x.x, "[::1]" or "::1".
bool IsLoopbackName(std::string_view name);

}  // namespace tandem
