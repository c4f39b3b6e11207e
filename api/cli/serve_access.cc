#include "api/cli/serve_access.h"

#include <fmt/format.h>

#include "api/http/descriptors.h"
#include "kernels/core/error.h"

namespace tandem {

AccessRules MakeAccessRules(const ServeOptions& options, const std::vector<std::string>& keys) {
  // A foreign page does not have the key, and a Unix socket is out of its reach. On other addresses
  // than loopback the names that people use are not known unless they are given.
  const bool knows_names = IsLoopbackName(options.host) || !options.allowed_hosts.empty();
  BrowserRules browsers({.allowed_origins = options.allowed_origins,
                         .allowed_hosts = options.allowed_hosts,
                         .only_local_names = knows_names && keys.empty() && !options.uds});
  return AccessRules(ApiKeys(keys), std::move(browsers));
}

HttpAddress MakeAddress(const ServeOptions& options) {
  return {.host = options.host,
          .port = static_cast<uint16_t>(options.port),
          .unix_socket = options.uds.value_or("")};
}

std::string UrlOf(const ServeOptions& options, const HttpServer& http) {
  const std::string_view scheme = options.ssl_certfile ? "https" : "http";
  if (options.uds) return fmt::format("{}+unix:{}", scheme, options.uds->string());
  const bool is_v6 = options.host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}", scheme, is_v6 ? "[" + options.host + "]" : options.host,
                     http.port());
}

std::shared_ptr<const TlsContext> LoadTls(const ServeOptions& options) {
  if (!options.ssl_certfile) {
    if (options.ssl_keyfile) throw ConfigError("--ssl-keyfile needs --ssl-certfile");
    return nullptr;
  }
  return std::make_shared<TlsContext>(
      TlsFiles{.certificate = *options.ssl_certfile,
               .key = options.ssl_keyfile.value_or(*options.ssl_certfile),
               .key_password = options.ssl_keyfile_password});
}

HttpLimits FitToDescriptors(HttpLimits limits, Logger& log) {
  const size_t allowed = ReserveDescriptors(limits.max_connections);
  if (allowed < limits.max_connections) {
    log.Warning("fewer connections than wanted: the limit of open files is low",
                {{"max_connections", allowed},
                 {"wanted", limits.max_connections},
                 {"open_files_limit", ReadDescriptorLimits().hard}});
  }
  limits.max_connections = allowed;
  return limits;
}

bool HasReloadable(const ServeOptions& options) {
  return options.api_key_file.has_value() || options.ssl_certfile.has_value();
}

void Reload(const ServeOptions& options, Router& router, HttpServer& http, Logger& log) {
  try {
    if (options.api_key_file) {
      const std::vector<std::string> keys = CollectApiKeys(options);
      http.RunInside([&router, loaded = ApiKeys(keys)] { router.ReplaceKeys(loaded); });
      log.Info("API keys reloaded", {{"keys", keys.size()}});
    }
  } catch (const std::exception& error) {
    log.Error("API keys not reloaded; the old ones stay", {{"why", error.what()}});
  }
  try {
    if (const auto tls = LoadTls(options)) {
      http.ReplaceTls(tls);
      log.Info("certificate reloaded", {{"valid_until", tls->valid_until()}});
    }
  } catch (const std::exception& error) {
    log.Error("certificate not reloaded; the old one stays", {{"why", error.what()}});
  }
}

}  // namespace tandem
