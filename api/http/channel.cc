#include "api/http/channel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tandem {

namespace asio = boost::asio;
using Status = Transport::Status;

namespace {

constexpr size_t kReadBytes = 16 * 1024;  // at once; on the stack

struct WakeState {
  std::shared_ptr<asio::io_context> io;
  std::weak_ptr<Channel> channel;
  std::atomic<bool> posted{false};
};

Channel::Socket::wait_type WaitTypeOf(Status status) {
  return status == Status::kWantWrite ? Channel::Socket::wait_write : Channel::Socket::wait_read;
}

bool Wants(Status status) { return status == Status::kWantRead || status == Status::kWantWrite; }

}  // namespace

Channel::Channel(std::shared_ptr<asio::io_context> io, Socket socket,
                 std::unique_ptr<Transport> transport, const HttpLimits& limits)
    : io_(std::move(io)),
      socket_(std::move(socket)),
      transport_(std::move(transport)),
      limits_(limits),
      event_(*io_) {}

asio::awaitable<Status> Channel::Handshake() {
  SetDeadline(limits_.handshake_timeout);
  Status status = transport_->Handshake();
  while (Wants(status)) {
    socket_.async_wait(WaitTypeOf(status),
                       [self = shared_from_this()](ErrorCode) { self->Notify(); });
    co_await WaitEvent();
    if (!usable()) co_return Status::kFailed;
    status = transport_->Handshake();
  }
  if (status == Status::kPlainHttp) transport_ = MakePlainTransport(socket_.native_handle());
  ClearDeadline();
  co_return status;
}

// Always through the event loop: a client that sends without a pause gets its turn like others.
void Channel::StartRead() {
  if (reading_ || peer_closed_ || broken_) return;
  reading_ = true;
  const auto read = [self = shared_from_this()](ErrorCode = {}) { self->ReadSome(); };
  if (transport_->HasBufferedInput()) {
    asio::post(*io_, read);
  } else {
    socket_.async_wait(Socket::wait_read, read);
  }
}

void Channel::ReadSome() {
  if (!broken_) {
    std::array<char, kReadBytes> bytes;
    const auto [status, size] = transport_->Read(bytes);
    if (Wants(status)) {
      socket_.async_wait(WaitTypeOf(status),
                         [self = shared_from_this()](ErrorCode) { self->ReadSome(); });
      return;
    }
    if (status == Status::kDone) {
      input_.append(bytes.data(), size);
    } else {
      peer_closed_ = true;
    }
  }
  reading_ = false;
  Notify();
}

asio::awaitable<bool> Channel::ReadMore() {
  const size_t before = input_.size();
  StartRead();
  while (input_.size() == before && usable()) co_await WaitEvent();
  co_return input_.size() > before;
}

void Channel::StartWrite() {
  if (writing_ || broken_ || output_.empty()) return;
  writing_ = true;
  in_flight_.clear();
  std::swap(in_flight_, output_);
  written_ = 0;
  // Progress alone is no bound: a client that takes a byte now and then holds our memory for ever.
  write_end_ = Clock::now() + limits_.write_timeout +
               std::chrono::seconds(in_flight_.size() / limits_.min_read_rate_bytes);
  SetDeadline(limits_.write_timeout);
  WriteSome();
}

void Channel::WriteSome() {
  while (!broken_ && written_ < in_flight_.size()) {
    const auto [status, size] = transport_->Write(std::string_view(in_flight_).substr(written_));
    if (Wants(status)) {
      deadline_ = std::min(deadline_, write_end_);
      socket_.async_wait(WaitTypeOf(status), [self = shared_from_this()](ErrorCode) {
        self->WriteSome();
        if (!self->writing_) self->Notify();
      });
      return;
    }
    broken_ = status != Status::kDone;
    written_ += size;
    SetDeadline(limits_.write_timeout);
  }
  writing_ = false;
  ClearDeadline();
}

asio::awaitable<bool> Channel::Flush() {
  while (can_write() && (writing_ || !output_.empty())) {
    StartWrite();
    if (writing_) co_await WaitEvent();
  }
  co_return can_write();
}

bool Channel::HasUnreadInput() const {
  ErrorCode error;
  return !input_.empty() || (socket_.available(error) > 0 && !error);
}

void Channel::ReleaseBuffers() {
  if (input_.empty()) std::string().swap(input_);
  if (output_.empty()) std::string().swap(output_);
  if (!writing_) std::string().swap(in_flight_);
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
  if (broken_) return;
  transport_->EndOutput();
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Channel::Close() {
  ShutdownSend();
  CloseSocket();
}

void Channel::Reset() {
  ErrorCode ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  CloseSocket();
}

void Channel::CloseSocket() {
  broken_ = true;
  ErrorCode ignored;
  socket_.close(ignored);
  Notify();
}

}  // namespace tandem
