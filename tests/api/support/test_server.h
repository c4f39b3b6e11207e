#pragma once
// A whole server in the test's process: fake engine (or a given one), byte tokenizer, routes, HTTP.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "api/http/server.h"
#include "api/routes/all_routes.h"
#include "tests/api/support/fake_engine.h"
#include "tests/api/support/raw_client.h"

namespace tandem {

// [system]hi[user]...[assistant]
inline constexpr char kTestChatTemplate[] =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if shout %}!{% endif %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}";

struct TestServerOptions {
  HttpLimits limits;
  std::vector<std::string> keys;
  BrowserRules::Options browsers;
  std::shared_ptr<const TlsContext> tls;
  std::filesystem::path unix_socket;
  int64_t max_context = 10'000'000;
  GenerationConfig defaults;
  std::chrono::milliseconds queue_wait{0};
  const char* chat_template = kTestChatTemplate;  // null: none
  CompletionEngine* engine = nullptr;             // borrowed; null: the server's own fake
  BreakerOptions breaker;
  std::function<CircuitBreaker::Clock::time_point()> now = CircuitBreaker::Clock::now;
  std::optional<std::string> degraded_answer;
  AnswerCache* answer_cache = nullptr;  // borrowed
};

class TestServer {
 public:
  static constexpr size_t kLargeBytes = 1 << 20;  // of GET /large

  explicit TestServer(const TestServerOptions& options = {})
      : chat_template_(options.chat_template == nullptr
                           ? std::optional<ChatTemplate>()
                           : ChatTemplate(options.chat_template, "test")),
        breaker_(options.breaker, options.now),
        model_{.names = {"tiny", "alias"},
               .tokenizer = tokenizer_,
               .chat_template = chat_template_ ? &*chat_template_ : nullptr,
               .engine = options.engine ? *options.engine : engine,
               .breaker = breaker_,
               .degraded_answer = options.degraded_answer,
               .answer_cache = options.answer_cache,
               .queue_wait = options.queue_wait,
               .max_context = options.max_context,
               .vocab_size = 258,
               .eos_ids = {ByteTokenizer::kEos},
               .defaults = options.defaults,
               .created = 1700000000},
        metrics_("tiny"),
        generator_(model_, metrics_) {
    status.version = {{"version", "0"},
                      {"model", "tiny"},
                      {"architecture", "none"},
                      {"dtype", "none"},
                      {"instruction_set", "portable"}};
    std::vector<Route> routes = AllRoutes(generator_, status, metrics_);
    routes.push_back({"GET", "/throws", RouteAccess::kPublic,
                      [](Call&) -> Reply { throw std::runtime_error("0x7ffe secret"); }});
    routes.push_back({"GET", "/large", RouteAccess::kPublic, [](Call&) -> Reply {
                        return HttpResponse{.body = std::string(kLargeBytes, 'x')};
                      }});
    router_ = std::make_unique<Router>(
        std::move(routes), AccessRules(ApiKeys(options.keys), BrowserRules(options.browsers)),
        metrics_, log_);
    server_ = std::make_unique<HttpServer>(HttpAddress{.unix_socket = options.unix_socket},
                                           options.limits, *router_, options.tls);
  }
  ~TestServer() { server_.reset(); }

  uint16_t port() const { return server_->port(); }
  HttpServer& http() { return *server_; }
  Router& router() { return *router_; }
  RawClient Connect() const { return RawClient(port()); }

  // One request on a connection of its own.
  RawResponse Get(const std::string& path, const std::string& headers = "") const {
    RawClient client = Connect();
    client.Send("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
    return client.ReadResponse();
  }
  RawResponse Post(const std::string& body, const std::string& path = "/v1/completions") const {
    RawClient client = Connect();
    client.Send(PostBytes(body, path));
    return client.ReadResponse();
  }
  static std::string PostBytes(const std::string& body,
                               const std::string& path = "/v1/completions") {
    return "POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  FakeEngine engine;
  ServerStatus status;

 private:
  ByteTokenizer tokenizer_;
  std::ostringstream log_text_;
  Logger log_{LogLevel::kInfo, log_text_};
  const std::optional<ChatTemplate> chat_template_;
  CircuitBreaker breaker_;
  ServedModel model_;
  ServerMetrics metrics_;
  Generator generator_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace tandem
