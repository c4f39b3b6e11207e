#include "api/http/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "api/http/connection.h"
#include "api/http/listener.h"

namespace tandem {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

// When the process has no file descriptor left, until one may have come back.
constexpr std::chrono::milliseconds kAcceptPause{50};

}  // namespace

struct HttpServer::State {
  State(const HttpAddress& address, const HttpLimits& given, HttpHandler& handler,
        std::shared_ptr<const TlsContext> given_tls)
      : limits(given),
        listener(*io, address),
        tls(std::move(given_tls)),
        context{limits, handler} {}

  void Run();
  asio::awaitable<void> AcceptLoop();
  void Accept(Channel::Socket socket);
  void Launch(const std::shared_ptr<Connection>& connection, asio::awaitable<void> run);
  template <typename Action>
  void ForEachConnection(Action action);

  const HttpLimits limits;
  std::shared_ptr<asio::io_context> io = std::make_shared<asio::io_context>(1);
  Listener listener;
  std::shared_ptr<const TlsContext> tls;  // null: plain; replaced on the I/O thread
  ConnectionContext context;
  std::jthread thread;

  // I/O thread; the count is also read by Finish.
  std::unordered_map<Connection*, std::weak_ptr<Connection>> connections;
  std::mutex mutex;
  std::condition_variable none_left;
  size_t num_connections = 0;  // guarded by mutex
};

// Until no work is left. An exception ends the handler that threw it, not the thread.
void HttpServer::State::Run() {
  bool done = false;
  while (!done) {
    try {
      io->run();
      done = true;
    } catch (const std::exception& exception) {
      context.handler.Failed(exception.what());
    }
  }
}

asio::awaitable<void> HttpServer::State::AcceptLoop() {
  auto& acceptor = listener.acceptor();
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (!error) {
      Accept(std::move(socket));
      continue;
    }
    if (!acceptor.is_open()) break;
    asio::steady_timer pause(*io, kAcceptPause);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void HttpServer::State::Accept(Channel::Socket socket) {
  ErrorCode ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);  // a Unix socket knows no such thing
  if (limits.send_buffer_bytes > 0) {
    socket.set_option(asio::socket_base::send_buffer_size(limits.send_buffer_bytes), ignored);
  }
  if (connections.size() >= limits.max_connections + kMaxRefusals) return;  // closes it
  const int descriptor = socket.native_handle();
  auto transport = tls ? tls->Accept(descriptor) : MakePlainTransport(descriptor);
  const auto channel =
      std::make_shared<Channel>(io, std::move(socket), std::move(transport), limits);
  const auto connection = std::make_shared<Connection>(channel, context);
  if (connections.size() < limits.max_connections) return Launch(connection, connection->Run());
  Launch(connection, connection->RunRefusal(503, "the server has its limit of " +
                                                     std::to_string(limits.max_connections) +
                                                     " connections open; try again later"));
}

void HttpServer::State::Launch(const std::shared_ptr<Connection>& connection,
                               asio::awaitable<void> run) {
  connections.emplace(connection.get(), connection);
  {
    const std::lock_guard lock(mutex);
    num_connections = connections.size();
  }
  asio::co_spawn(*io, std::move(run), [this, key = connection.get()](std::exception_ptr error) {
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::exception& exception) {
        context.handler.Failed(exception.what());
      }
    }
    connections.erase(key);
    const std::lock_guard lock(mutex);
    num_connections = connections.size();
    if (num_connections == 0) none_left.notify_all();
  });
}

template <typename Action>
void HttpServer::State::ForEachConnection(Action action) {
  const auto copy = connections;
  for (const auto& [key, weak] : copy) {
    if (const auto connection = weak.lock()) action(*connection);
  }
}

HttpServer::HttpServer(const HttpAddress& address, const HttpLimits& limits, HttpHandler& handler,
                       std::shared_ptr<const TlsContext> tls)
    : state_(std::make_unique<State>(address, limits, handler, std::move(tls))) {
  asio::co_spawn(*state_->io, state_->AcceptLoop(), asio::detached);
  state_->thread = std::jthread([state = state_.get()] { state->Run(); });
}

HttpServer::~HttpServer() { Stop(); }

uint16_t HttpServer::port() const { return state_->listener.port(); }

void HttpServer::ReplaceTls(std::shared_ptr<const TlsContext> tls) {
  RunInside([state = state_.get(), tls = std::move(tls)] {
    if (state->tls && tls) state->tls = tls;
  });
}

void HttpServer::RunInside(std::function<void()> action) {
  std::packaged_task<void()> task(std::move(action));
  std::future<void> done = task.get_future();
  asio::post(*state_->io, std::move(task));
  done.get();
}

bool HttpServer::Finish(std::chrono::steady_clock::time_point deadline) {
  asio::post(*state_->io, [state = state_.get()] {
    state->listener.Close();
    state->context.closing = true;
    state->ForEachConnection([](Connection& connection) { connection.CloseIfIdle(); });
  });
  std::unique_lock lock(state_->mutex);
  return state_->none_left.wait_until(lock, deadline,
                                      [this] { return state_->num_connections == 0; });
}

void HttpServer::Stop() {
  if (!state_->thread.joinable()) return;
  asio::post(*state_->io, [state = state_.get()] {
    state->listener.Close();
    state->context.closing = true;
    state->ForEachConnection([](Connection& connection) { connection.Abort(); });
  });
  // Every coroutine ends now, and the thread with the last of them.
  state_->thread.join();
}

}  // namespace tandem
