#include "tests/bench/http_bench.h"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>
#include <vector>

#include "api/cli/loop_engine.h"
#include "api/http/server.h"
#include "api/routes/all_routes.h"
#include "engine/model_runner.h"
#include "tests/api/support/raw_client.h"
#include "tests/bench/fork_pipes.h"
#include "tests/bench/model_bench.h"
#include "tests/bench/timing.h"
#include "tests/support/engine_client.h"
#include "tests/support/random_model.h"

namespace tandem {

namespace {

// A vocabulary in which every id has a text, of about the length of real tokens.
class NumberTokenizer : public Tokenizer {
 public:
  explicit NumberTokenizer(int64_t vocab_size) {
    for (int64_t id = 0; id < vocab_size; ++id) texts_.push_back(" " + std::to_string(id));
  }
  std::vector<TokenId> Encode(std::string_view, SpecialTokens) const override { return {}; }
  std::string_view TokenBytes(TokenId id) const override { return texts_[static_cast<size_t>(id)]; }
  bool IsSpecial(TokenId) const override { return false; }
  bool DropsLeadingSpace() const override { return false; }
  int64_t vocab_size() const override { return static_cast<int64_t>(texts_.size()); }
  std::optional<TokenId> bos_id() const override { return std::nullopt; }
  std::optional<TokenId> eos_id() const override { return std::nullopt; }
  std::optional<TokenId> FindToken(std::string_view) const override { return std::nullopt; }

 private:
  std::vector<std::string> texts_;
};

std::vector<TokenId> PromptOf(const HttpBenchOptions& options, int64_t vocab_size, int64_t stream) {
  std::vector<TokenId> prompt;
  for (int64_t i = 0; i < options.prompt_tokens; ++i) {
    prompt.push_back(static_cast<TokenId>((i * 7919 + stream * 104729 + 3) % vocab_size));
  }
  return prompt;
}

std::string RequestOf(const HttpBenchOptions& options, int64_t vocab_size, int64_t stream) {
  std::string body = R"({"stream":true,"temperature":0,"ignore_eos":true,"max_tokens":)" +
                     std::to_string(options.output_tokens) + R"(,"prompt":[)";
  for (const TokenId id : PromptOf(options, vocab_size, stream)) {
    body += (body.back() == '[' ? "" : ",") + std::to_string(id);
  }
  body += "]}";
  return "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
         "Content-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The child: every stream at once, as often as told. True when each was answered to its end.
bool RunClients(const HttpBenchOptions& options, int64_t vocab_size, Pipe& from_server,
                Pipe& to_server) {
  const auto port = from_server.Take<uint16_t>();
  std::vector<std::string> requests;
  for (int64_t i = 0; i < options.num_streams; ++i) {
    requests.push_back(RequestOf(options, vocab_size, i));
  }
  for (int round = 0; round <= options.repeats; ++round) {
    from_server.Take<char>();
    std::vector<std::unique_ptr<RawClient>> clients;
    for (const std::string& request : requests) {
      clients.push_back(std::make_unique<RawClient>(port));
      if (!clients.back()->Send(request)) return false;
    }
    for (size_t open = clients.size(); open > 0;) {
      std::vector<pollfd> waiting;
      for (const auto& client : clients) {
        waiting.push_back({client->descriptor(), POLLIN, 0});  // -1 when done: left out
      }
      ::poll(waiting.data(), waiting.size(), -1);
      for (size_t i = 0; i < clients.size(); ++i) {
        if (waiting[i].revents == 0 || clients[i]->Receive()) continue;
        if (clients[i]->input().find("data: [DONE]") == std::string::npos) return false;
        clients[i]->Close();
        --open;
      }
    }
    to_server.Give('d');
  }
  return true;
}

double SecondsStraight(EngineLoop& loop, const HttpBenchOptions& options, int64_t vocab_size) {
  std::vector<std::shared_ptr<const Request>> requests;
  for (int64_t i = 0; i < options.num_streams; ++i) {
    auto request = std::make_shared<Request>();
    request->id = RequestId{1'000'000 + static_cast<uint64_t>(i)};
    request->prompt = PromptOf(options, vocab_size, i);
    request->sampling.temperature = 0;
    request->sampling.ignore_eos = true;
    request->sampling.max_tokens = options.output_tokens;
    requests.push_back(std::move(request));
  }
  return SecondsOf([&] { RunRequests(loop, requests); });
}

struct Seconds {
  std::vector<double> straight;
  std::vector<double> http;
};

// The parent's side, once the child is there.
Seconds Measure(const HttpBenchOptions& options, const ModelConfig& config, Pipe& to_client,
                Pipe& from_client) {
  ThreadPool pool(options.num_threads);
  Workspace workspace;
  Context context{.pool = pool, .isa = BestInstructionSet(), .workspace = workspace};
  ModelRunnerOptions runner_options;
  runner_options.dtype = options.dtype;
  runner_options.max_context = options.prompt_tokens + options.output_tokens + 1;
  runner_options.max_sequences = options.num_streams;
  runner_options.num_threads = options.num_threads;
  ModelRunner runner(config, RandomWeights(context, config, options.dtype, 1), runner_options);
  SchedulerConfig scheduling;
  scheduling.max_sequences = options.num_streams;
  scheduling.prefix_caching = false;  // or every round but the first would start from the cache
  ServerMetrics metrics("bench");
  EngineLoop loop(runner, scheduling, &metrics);

  LoopEngine engine(loop);
  const NumberTokenizer tokenizer(config.vocab_size);
  CircuitBreaker breaker{BreakerOptions()};
  const ServedModel served{.names = {"bench"},
                           .tokenizer = tokenizer,
                           .engine = engine,
                           .breaker = breaker,
                           .max_context = runner_options.max_context,
                           .vocab_size = config.vocab_size};
  const ServerStatus status;
  Generator generator(served, metrics);
  std::ostringstream nowhere;
  Logger log(LogLevel::kOff, nowhere);
  Router router(AllRoutes(generator, status, metrics), AccessRules(ApiKeys({})), metrics, log);
  HttpServer server({}, {}, router);
  to_client.Give(server.port());

  Seconds seconds;
  for (int round = 0; round <= options.repeats; ++round) {
    const double straight = SecondsStraight(loop, options, config.vocab_size);
    const double http = SecondsOf([&] {
      to_client.Give('g');
      from_client.Take<char>();
    });
    if (round == 0) continue;  // warms up
    seconds.straight.push_back(straight);
    seconds.http.push_back(http);
  }
  return seconds;
}

void Print(const HttpBenchOptions& options, const Seconds& seconds) {
  const auto tokens = static_cast<double>(options.num_streams * options.output_tokens);
  std::vector<double> shares;
  for (size_t i = 0; i < seconds.http.size(); ++i) {
    shares.push_back(seconds.straight[i] / seconds.http[i]);
  }
  std::printf(
      "%s %s, %d threads, %lld streams of %lld in and %lld out: output tokens a second, "
      "medians of %d alternating pairs\n",
      options.shape.c_str(), std::string(Name(options.dtype)).c_str(), options.num_threads,
      static_cast<long long>(options.num_streams), static_cast<long long>(options.prompt_tokens),
      static_cast<long long>(options.output_tokens), options.repeats);
  std::printf("| engine alone | through HTTP | share |\n|---|---|---|\n| %.0f | %.0f | %.0f%% |\n",
              tokens / Median(seconds.straight), tokens / Median(seconds.http),
              100 * Median(shares));
}

}  // namespace

void RunHttpBench(const HttpBenchOptions& options) {
  const ModelConfig config = ShapeByName(options.shape);
  Pipe to_client, from_client;
  std::fflush(stdout);
  const pid_t child = ::fork();  // before any thread is there
  if (child == 0) {
    to_client.CloseWriting();  // or the server's end would go unnoticed
    bool answered = false;
    try {
      answered = RunClients(options, config.vocab_size, to_client, from_client);
    } catch (const Error&) {
    }
    ::_exit(answered ? 0 : 1);
  }
  from_client.CloseWriting();
  Print(options, Measure(options, config, to_client, from_client));
  ::waitpid(child, nullptr, 0);
}

}  // namespace tandem
