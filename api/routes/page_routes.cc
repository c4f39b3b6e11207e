#include "api/routes/page_routes.h"

#include <string>
#include <string_view>

#include "api/openai/error.h"
#include "api/routes/page_files.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

// Nothing but the page's own files and its own server; no inline script or style. data: is for
// small images in style sheets.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view ContentType(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  CHECK(name.ends_with(".svg"), name);
  return "image/svg+xml; charset=utf-8";
}

// If-None-Match: "*", or a list of tags. A weak one counts too (RFC 9110 13.1.2).
bool Matches(std::string_view header, std::string_view tag) {
  return header == "*" || header.find(tag) != std::string_view::npos;
}

HttpResponse Serve(const PageFile& file, const HttpRequest& request) {
  const std::string tag = '"' + std::string(file.hash) + '"';
  HttpResponse response;
  response.content_type = ContentType(file.name);
  response.headers = {{"Content-Security-Policy", std::string(kPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"ETag", tag},
                      {"Cache-Control", "no-cache"}};  // kept, but asked about before each use
  if (Matches(request.Header("if-none-match"), tag)) {
    response.status = 304;
    response.content_type.clear();
  } else {
    response.body = file.bytes;
  }
  return response;
}

HttpResponse ServeNamed(std::string_view name, const HttpRequest& request) {
  for (const PageFile& file : PageFiles()) {
    if (file.name == name) return Serve(file, request);
  }
  return ErrorResponse(ErrorOfStatus(404, "there is no such file of the page"));
}

}  // namespace

std::vector<Route> PageRoutes() {
  return {
      {"GET", "/", RouteAccess::kPublic,
       [](Call& call) { return ServeNamed("index.html", call.request); }},
      {"GET", "/dashboard", RouteAccess::kPublic,
       [](Call& call) { return ServeNamed("dashboard.html", call.request); }},
      {"GET", "/assets/{name}", RouteAccess::kPublic,
       [](Call& call) { return ServeNamed(call.parameter, call.request); }},
      // Asked for by browsers whatever the page says, also for /health and the like.
      {"GET", "/favicon.ico", RouteAccess::kPublic,
       [](Call& call) { return ServeNamed("favicon.svg", call.request); }},
  };
}

}  // namespace tandem
