#include "api/routes/router.h"

#include <charconv>
#include <chrono>

#include "api/openai/error.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr std::string_view kVersionPrefix = "/v1";

// "/models/{id}" -> "/models/"; empty when the path has no parameter.
std::string_view FixedPart(std::string_view pattern) {
  const size_t brace = pattern.find('{');
  return brace == std::string_view::npos ? std::string_view() : pattern.substr(0, brace);
}

bool MatchesPattern(std::string_view pattern, std::string_view path) {
  const std::string_view fixed = FixedPart(pattern);
  if (fixed.empty()) return path == pattern;
  return path.size() > fixed.size() && path.starts_with(fixed);
}

bool Matches(const Route& route, std::string_view path) {
  const std::string_view pattern = route.path;
  if (MatchesPattern(pattern, path)) return true;
  return pattern.starts_with(kVersionPrefix) &&
         MatchesPattern(pattern.substr(kVersionPrefix.size()), path);
}

std::string ParameterOf(const Route& route, std::string_view path) {
  const std::string_view fixed = FixedPart(route.path);
  if (fixed.empty()) return "";
  const bool whole = path.starts_with(fixed);
  return PercentDecode(path.substr(fixed.size() - (whole ? 0 : kVersionPrefix.size())));
}

HttpResponse UnknownPath(const HttpRequest& request) {
  return ErrorResponse(ErrorOfStatus(404, "there is no " + request.method + " " + request.path));
}

HttpResponse WrongMethod(const HttpRequest& request, const std::string& allowed) {
  HttpResponse response = ErrorResponse(ErrorOfStatus(
      405, request.path + " does not answer " + request.method + "; it answers " + allowed));
  response.headers.push_back({"Allow", allowed});
  return response;
}

HttpResponse Unauthorized() {
  HttpResponse response = ErrorResponse(ErrorOfStatus(
      401, "the API key is missing or wrong; send it as 'Authorization: Bearer KEY'"));
  response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

HttpResponse Forbidden(const std::string& message) {
  ApiError error = ErrorOfStatus(403, message);
  error.code = "forbidden";
  return ErrorResponse(error);
}

}  // namespace

Router::Router(std::vector<Route> routes, AccessRules access, ServerMetrics& metrics, Logger& log)
    : routes_(std::move(routes)), access_(std::move(access)), metrics_(metrics), log_(log) {}

const Route* Router::Find(const HttpRequest& request) const {
  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  for (const Route& route : routes_) {
    if (route.method == method && Matches(route, request.path)) return &route;
  }
  return nullptr;
}

std::string Router::AllowedMethods(std::string_view path) const {
  std::string methods;
  for (const Route& route : routes_) {
    if (path != "*" && !Matches(route, path)) continue;
    if (methods.find(route.method) != std::string::npos) continue;
    methods.append(methods.empty() ? "" : ", ").append(route.method);
    if (route.method == "GET") methods.append(", HEAD");
  }
  if (!methods.empty()) methods.append(", OPTIONS");
  return methods;
}

std::optional<HttpResponse> Router::CheckHead(const HttpRequest& request) {
  if (const auto refusal = access_.browsers.Refusal(request)) return Forbidden(*refusal);
  if (access_.browsers.IsPreflight(request)) return access_.browsers.AnswerPreflight();
  const Route* route = Find(request);
  if (route != nullptr) {
    const bool allowed =
        route->access == RouteAccess::kPublic || access_.keys.Authenticate(request);
    if (!allowed) return Unauthorized();
    return std::nullopt;
  }
  // What exists is told to nobody without a key.
  if (!access_.keys.Authenticate(request)) return Unauthorized();
  const std::string allowed = AllowedMethods(request.path);
  if (allowed.empty()) return UnknownPath(request);
  if (request.method != "OPTIONS") return WrongMethod(request, allowed);
  return HttpResponse{.status = 204, .content_type = "", .headers = {{"Allow", allowed}}};
}

Reply Router::Handle(HttpRequest& request, Waker wake) {
  const Route* route = Find(request);
  if (route == nullptr) return UnknownPath(request);
  const auto tenant = access_.keys.Authenticate(request);
  // Again: the key may have been taken away while the body was on its way.
  if (!tenant && route->access == RouteAccess::kKey) return Unauthorized();
  Call call{request, ParameterOf(*route, request.path), tenant.value_or(ApiKeys::Tenant{}),
            std::move(wake)};
  try {
    return route->run(call);
  } catch (const ApiFailure& failure) {
    return ErrorResponse(failure.error());
  } catch (const InvalidRequest& invalid) {
    ApiError error{.status = 400, .message = invalid.what()};
    if (!invalid.field().empty()) error.param = invalid.field();
    return ErrorResponse(error);
  }
}

std::vector<HttpHeader> Router::HeadersFor(const HttpRequest& request) {
  return access_.browsers.HeadersFor(request);
}

HttpResponse Router::Refuse(int status, std::string_view message) {
  return ErrorResponse(ErrorOfStatus(status, message));
}

void Router::Failed(std::string_view what) { log_.Error("route failed", {{"what", what}}); }

void Router::Finished(const HttpRequest& request, int status) {
  const Route* route = Find(request);
  metrics_.CountHttp(route != nullptr ? route->path : "other", status);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - request.received;
  const bool was_read = request.received != std::chrono::steady_clock::time_point();
  const bool fine = status == 200 || status == 304;
  const bool routine = route != nullptr && route->access == RouteAccess::kPublic && fine;
  log_.Log(routine ? LogLevel::kDebug : LogLevel::kInfo, "request",
           {{"id", request.id},
            {"method", request.method},
            {"path", request.path},
            {"status", status},
            {"seconds", was_read ? elapsed.count() : 0.0}});
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const char* first = text.data() + i + 1;
      const auto [end, error] = std::from_chars(first, first + 2, value, 16);
      if (error == std::errc() && end == first + 2) {
        out.push_back(static_cast<char>(value));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

}  // namespace tandem
