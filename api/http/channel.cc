#include "api/http/channel.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tandem {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

struct WakeState {
  std::shared_ptr<asio::io_context> io;
  std::weak_ptr<Channel> channel;
  std::atomic<bool> posted{false};
};

}  // namespace

Channel::Channel(std::shared_ptr<asio::io_context> io, asio::ip::tcp::socket socket)
    : io_(std::move(io)), socket_(std::move(socket)), event_(*io_) {}

void Channel::StartRead() {
  if (reading_ || peer_closed_ || broken_) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](ErrorCode error, size_t size) {
                            self->reading_ = false;
                            self->input_.append(self->chunk_.data(), size);
                            if (error) self->peer_closed_ = true;
                            self->Notify();
                          });
}

asio::awaitable<bool> Channel::ReadMore() {
  const size_t before = input_.size();
  StartRead();
  while (input_.size() == before && usable()) co_await WaitEvent();
  co_return input_.size() > before;
}

void Channel::StartWrite(Milliseconds timeout) {
  if (writing_ || broken_ || output_.empty()) return;
  writing_ = true;
  in_flight_.clear();
  std::swap(in_flight_, output_);
  written_ = 0;
  WriteSome(timeout);
}

void Channel::WriteSome(Milliseconds timeout) {
  SetDeadline(timeout);
  socket_.async_write_some(asio::buffer(in_flight_.data() + written_, in_flight_.size() - written_),
                           [self = shared_from_this(), timeout](ErrorCode error, size_t size) {
                             self->written_ += size;
                             if (!error && self->written_ < self->in_flight_.size())
                               return self->WriteSome(timeout);
                             self->writing_ = false;
                             self->ClearDeadline();
                             if (error) self->broken_ = true;
                             self->Notify();
                           });
}

asio::awaitable<bool> Channel::Flush(Milliseconds timeout) {
  while (can_write() && (writing_ || !output_.empty())) {
    StartWrite(timeout);
    co_await WaitEvent();
  }
  co_return can_write();
}

asio::awaitable<void> Channel::WaitEvent(Milliseconds longest) {
  if (!signalled_) {
    Clock::time_point until = deadline_;
    if (longest != Milliseconds::max()) until = std::min(until, Clock::now() + longest);
    event_.expires_at(until);
    co_await event_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  signalled_ = false;
  if (Clock::now() >= deadline_) timed_out_ = true;
}

void Channel::Notify() {
  signalled_ = true;
  event_.cancel();
}

Waker Channel::MakeWaker() {
  auto state = std::make_shared<WakeState>();
  state->io = io_;
  state->channel = weak_from_this();
  return [state] {
    if (state->posted.exchange(true)) return;
    asio::post(*state->io, [state] {
      state->posted = false;
      if (const auto channel = state->channel.lock()) channel->Notify();
    });
  };
}

void Channel::ShutdownSend() {
  ErrorCode ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void Channel::Close() {
  broken_ = true;
  ErrorCode ignored;
  socket_.close(ignored);
  Notify();
}

}  // namespace tandem
