#pragma once
// From method and path to a route: authentication on the parsed route (deny by default), 404 and
// 405 as JSON, exceptions into responses, counting and logging. Runs on the I/O thread.

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/handler.h"
#include "api/routes/api_keys.h"
#include "api/routes/browser_rules.h"
#include "api/routes/server_metrics.h"
#include "engine/base/log.h"

namespace tandem {

enum class RouteAccess : uint8_t {
  kKey,     // an API key, where keys are configured
  kPublic,  // anybody
};

// What a route's function gets.
struct Call {
  HttpRequest& request;
  std::string parameter;  // the {part} of the path, percent-decoded
  ApiKeys::Tenant tenant;
  Waker wake;
};

struct Route {
  std::string method;
  std::string path;  // may end in "/{name}"; one that starts with "/v1/" also answers without "/v1"
  RouteAccess access = RouteAccess::kKey;
  std::function<Reply(Call&)> run;
};

// Who may use the routes.
struct AccessRules {
  AccessRules(ApiKeys api_keys, BrowserRules browser_rules = {})
      : keys(std::move(api_keys)), browsers(std::move(browser_rules)) {}

  ApiKeys keys;
  BrowserRules browsers;
};

class Router : public HttpHandler {
 public:
  // `metrics` and `log` outlive the router.
  Router(std::vector<Route> routes, AccessRules access, ServerMetrics& metrics, Logger& log);

  // For requests from now on; on the I/O thread, as everything here.
  void ReplaceKeys(ApiKeys keys) { access_.keys = std::move(keys); }

  std::optional<HttpResponse> CheckHead(const HttpRequest& request) override;
  Reply Handle(HttpRequest& request, Waker wake) override;
  std::vector<HttpHeader> HeadersFor(const HttpRequest& request) override;
  HttpResponse Refuse(int status, std::string_view message) override;
  void Failed(std::string_view what) override;
  void Finished(const HttpRequest& request, int status) override;

 private:
  // Null when the path is unknown. A HEAD finds the GET of its path.
  const Route* Find(const HttpRequest& request) const;
  // Methods of the path, as for Allow; empty when it is unknown.
  std::string AllowedMethods(std::string_view path) const;

  const std::vector<Route> routes_;
  AccessRules access_;
  ServerMetrics& metrics_;
  Logger& log_;
};

// "%2F" to "/"; malformed escapes stay as they are.
std::string PercentDecode(std::string_view text);

}  // namespace tandem
