#include "api/routes/browser_rules.h"

#include <algorithm>

#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr size_t kMaxQuotedBytes = 256;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

// "a.example:80" -> "a.example", "[::1]:80" -> "[::1]", "::1" -> "[::1]".
std::string NameOf(std::string_view host) {
  const std::string lower = Lower(host);
  if (lower.starts_with('[')) return lower.substr(0, lower.find(']') + 1);
  if (std::count(lower.begin(), lower.end(), ':') > 1) return "[" + lower + "]";
  return lower.substr(0, lower.find(':'));
}

// "https://a.example:80" -> "a.example"; empty for "null" and for what is no address of a page.
std::string NameOfOrigin(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? "" : NameOf(origin.substr(scheme + 3));
}

bool Contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::string CheckedOrigin(std::string_view given) {
  std::string origin = Lower(given);
  if (origin.ends_with('/')) origin.pop_back();
  if (origin == "*" || origin == "null") return origin;
  const std::string host = NameOfOrigin(origin);
  if (host.empty() || host.find_first_of("/ *") != std::string::npos) {
    throw ConfigError("--allowed-origins " + std::string(given) +
                      " is no origin; write scheme and host, as https://chat.example, or *");
  }
  return origin;
}

}  // namespace

BrowserRules::BrowserRules(Options options) : options_(std::move(options)) {
  for (std::string& origin : options_.allowed_origins) origin = CheckedOrigin(origin);
  for (std::string& host : options_.allowed_hosts) host = NameOf(host);
  any_origin_ = Contains(options_.allowed_origins, "*");
}

bool BrowserRules::AllowsHost(std::string_view host) const {
  if (!options_.only_local_names) return true;
  const std::string name = NameOf(host);
  return IsLoopbackName(name) || Contains(options_.allowed_hosts, name) ||
         Contains(options_.allowed_hosts, "*");
}

bool BrowserRules::AllowsOrigin(std::string_view origin) const {
  return any_origin_ || Contains(options_.allowed_origins, Lower(origin));
}

// Two attacks that need no mistake of the person in front of the browser:
//
// DNS rebinding. A page from evil.example gets a new address for its own name, ours, and from then
// on the browser takes our answers for that page's own. What it cannot change is the name it sends
// as Host. Programs other than browsers may leave Host out (HTTP/1.0) and pass.
//
// Simple requests. Any page may send a POST whose content type a form could have, text/plain, and
// the browser asks nobody before; the page cannot read the answer, but the work is done. Browsers
// tell the page's origin with every such request. Ports and schemes are not compared: they differ
// behind a proxy, and who serves pages on another port of our own host can reach us anyway.
std::optional<std::string> BrowserRules::Refusal(const HttpRequest& request) const {
  const std::string host(request.Header("Host").substr(0, kMaxQuotedBytes));
  if (!host.empty() && !AllowsHost(request.Header("Host"))) {
    return "this server answers to localhost only, not to '" + host +
           "', because it needs no API key and the name may be a foreign web page's; set "
           "--allowed-hosts " +
           NameOf(host) + " or an --api-key";
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const std::string_view origin = request.Header("Origin");
  if (reads || request.method == "OPTIONS" || origin.empty() || AllowsOrigin(origin)) {
    return std::nullopt;
  }
  const std::string page = NameOfOrigin(origin);
  if (!page.empty() && page == NameOf(request.Header("Host"))) return std::nullopt;
  const std::string quoted(origin.substr(0, kMaxQuotedBytes));
  return "a web page of '" + quoted +
         "' may not use this server; allow it with --allowed-origins " + quoted;
}

bool BrowserRules::IsPreflight(const HttpRequest& request) const {
  const std::string_view origin = request.Header("Origin");
  return request.method == "OPTIONS" && !origin.empty() && AllowsOrigin(origin) &&
         !request.Header("Access-Control-Request-Method").empty();
}

// The star does not stand for Authorization. The rest comes with HeadersFor.
HttpResponse BrowserRules::AnswerPreflight() const {
  return HttpResponse{.status = 204,
                      .content_type = "",
                      .headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"},
                                  {"Access-Control-Allow-Headers", "Authorization, *"},
                                  {"Access-Control-Max-Age", "600"}}};
}

// Never Access-Control-Allow-Credentials: nothing here goes by cookies, and it would let a page use
// those of a proxy in front of us.
std::vector<HttpHeader> BrowserRules::HeadersFor(const HttpRequest& request) const {
  if (options_.allowed_origins.empty()) return {};
  const std::string_view origin = request.Header("Origin");
  std::vector<HttpHeader> headers;
  if (any_origin_) {
    headers.push_back({"Access-Control-Allow-Origin", "*"});
  } else {
    headers.push_back({"Vary", "Origin"});  // caches must not give one page's answer to another
    if (!origin.empty() && AllowsOrigin(origin)) {
      headers.push_back({"Access-Control-Allow-Origin", std::string(origin)});
    }
  }
  headers.push_back(
      {"Access-Control-Expose-Headers", "x-request-id, retry-after, x-tandem-degraded"});
  return headers;
}

bool IsLoopbackName(std::string_view name) {
  const bool is_ipv4 = name.find_first_not_of("0123456789.") == std::string_view::npos;
  return name == "localhost" || name == "::1" || name == "[::1]" ||
         (is_ipv4 && name.starts_with("127."));
}

}  // namespace tandem
