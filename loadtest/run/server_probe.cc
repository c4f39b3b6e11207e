#include "loadtest/run/server_probe.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>

#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "loadtest/http/answer_scan.h"
#include "loadtest/http/response_reader.h"

namespace tandem {
namespace {

constexpr std::chrono::seconds kLongest(10);
constexpr size_t kMaxAnswerBytes = 1 << 20;

class Fetch final : private Connection::User, private ResponseReader::Sink {
 public:
  explicit Fetch(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~Fetch() override { connection_->Close(); }

  void Run(boost::asio::io_context& io, const std::string& request) {
    connection_->Send(request, this);
    const auto deadline = std::chrono::steady_clock::now() + kLongest;
    while (!is_done_ && io.run_one_until(deadline) > 0) {
    }
    if (!is_done_) reason_ = "no answer within 10 s";
  }

  bool has_answer() const { return reader_.state() == ResponseReader::State::kComplete; }
  int status() const { return reader_.status(); }
  const std::string& body() const { return body_; }
  const std::string& reason() const { return reason_; }

 private:
  void OnBytes(std::string_view bytes) override {
    reader_.Feed(bytes, *this);
    if (reader_.state() == ResponseReader::State::kIncomplete) return;
    if (!has_answer()) reason_ = "what answers is not an HTTP server";
    is_done_ = true;
    connection_->Close();
  }
  void OnEnd(Connection::End, const std::string& reason) override {
    reader_.FeedEnd();
    if (!has_answer()) reason_ = reason;
    is_done_ = true;
  }
  void OnHead(const ResponseReader&) override {}
  void OnBody(std::string_view piece) override {
    if (body_.size() + piece.size() <= kMaxAnswerBytes) body_.append(piece);
  }

  std::shared_ptr<Connection> connection_;
  ResponseReader reader_;
  std::string body_;
  std::string reason_;
  bool is_done_ = false;
};

// The body of a 200; none when the server does not know the route.
std::optional<std::string> Get(const ServerUrl& url, TlsCheck check, const std::string& api_key,
                               const std::string& path) {
  boost::asio::io_context io;
  ConnectionPool pool(io, url, check);
  Fetch fetch(pool.Make());
  const std::string key = api_key.empty() ? "" : "Authorization: Bearer " + api_key + "\r\n";
  fetch.Run(io, fmt::format("GET {}{} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n{}\r\n", url.base_path,
                            path, url.HostHeader(), key));
  if (!fetch.has_answer() && fetch.reason().find("certificate") != std::string::npos) {
    throw ConfigError(fmt::format(
        "the certificate of {} is not trusted: {}; --no-tls-verify goes on without the check",
        url.Text(), Printable(fetch.reason())));
  }
  if (!fetch.has_answer()) {
    throw ConfigError(
        fmt::format("no server at {}: {}; start one ('tandem serve'), or name another with --url",
                    url.Text(), Printable(fetch.reason())));
  }
  if (fetch.status() == 401 || fetch.status() == 403) {
    throw ConfigError(
        fmt::format("{} asks for a key ({} at {}); give it with --api-key or "
                    "TANDEM_LOADTEST_API_KEY",
                    url.Text(), fetch.status(), path));
  }
  if (fetch.status() != 200) return std::nullopt;
  return fetch.body();
}

}  // namespace

ServerInfo ProbeServer(const ServerUrl& url, TlsCheck check, const std::string& api_key) {
  ServerInfo info;
  const auto models = Get(url, check, api_key, "/v1/models");
  if (models) info.model = Printable(ScanAnswer(*models).first_id);
  const auto version = Get(url, check, api_key, "/version");
  if (version && ScanAnswer(*version).is_json) info.version = Printable(*version);
  return info;
}

}  // namespace tandem
