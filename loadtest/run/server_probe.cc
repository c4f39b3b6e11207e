#include "loadtest/run/server_probe.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>

#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "loadtest/http/answer_scan.h"
#include "loadtest/http/fetch.h"
#include "loadtest/http/request_message.h"

namespace tandem {
namespace {

constexpr std::chrono::seconds kLongest(10);

// The body of a 200; none when the server does not know the route.
std::optional<std::string> Get(const ServerUrl& url, TlsCheck check, const std::string& api_key,
                               const std::string& path) {
  boost::asio::io_context io;
  ConnectionPool pool(io, url, check);
  const std::string request =
      RequestMessage({.url = url, .path = path, .api_key = api_key, .request_id = ""}, "");
  const FetchedAnswer answer = Fetch(io, pool, request, kLongest);
  if (answer.status == 0 && answer.reason.find("certificate") != std::string::npos) {
    throw ConfigError(fmt::format(
        "the certificate of {} is not trusted: {}; --no-tls-verify goes on without the check",
        url.Text(), Printable(answer.reason)));
  }
  if (answer.status == 0) {
    throw ConfigError(
        fmt::format("no server at {}: {}; start one ('tandem serve'), or name another with --url",
                    url.Text(), Printable(answer.reason)));
  }
  if (answer.status == 401 || answer.status == 403) {
    throw ConfigError(
        fmt::format("{} asks for a key ({} at {}); give it with --api-key or "
                    "TANDEM_LOADTEST_API_KEY",
                    url.Text(), answer.status, path));
  }
  if (answer.status != 200) return std::nullopt;
  return answer.body;
}

}  // namespace

ServerInfo ProbeServer(const ServerUrl& url, TlsCheck check, const std::string& api_key) {
  ServerInfo info;
  const auto models = Get(url, check, api_key, "/v1/models");
  if (models) {
    const AnswerScan scan = ScanAnswer(*models);
    info.model = Printable(scan.first_id);
    info.max_model_len = scan.first_max_model_len.value_or(0);
  }
  const auto version = Get(url, check, api_key, "/version");
  if (version && ScanAnswer(*version).is_json) info.version = Printable(*version);
  return info;
}

}  // namespace tandem
