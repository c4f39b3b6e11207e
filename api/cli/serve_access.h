#pragma once
// What stands between clients and the routes of `tandem serve`: keys, TLS, rules for browsers, file
// descriptors. Made from the options at the start; SIGHUP reads keys and certificates again.

#include <memory>
#include <string>
#include <vector>

#include "api/cli/serve_options.h"
#include "api/http/server.h"
#include "api/routes/router.h"
#include "engine/base/log.h"

namespace tandem {

AccessRules MakeAccessRules(const ServeOptions& options, const std::vector<std::string>& keys);
HttpAddress MakeAddress(const ServeOptions& options);
// As a client would write it: "https://127.0.0.1:8000".
std::string UrlOf(const ServeOptions& options, const HttpServer& http);

// Null without --ssl-certfile; ConfigError.
std::shared_ptr<const TlsContext> LoadTls(const ServeOptions& options);

// With max_connections as the limit of open files allows; a warning where that is less than wanted.
HttpLimits FitToDescriptors(HttpLimits limits, Logger& log);

// Whether Reload would read anything.
bool HasReloadable(const ServeOptions& options);
// Reads the files again. What is broken stays as it was; the log tells both. Any thread but the I/O
// thread.
void Reload(const ServeOptions& options, Router& router, HttpServer& http, Logger& log);

}  // namespace tandem
