#pragma once
// A client's socket with at most one read and one write outstanding, a deadline, and one event that
// the connection's coroutine waits for. Everything runs on the I/O thread except the waker, which
// posts.
//
// It waits until the socket is ready and lets a Transport move the bytes, so a connection that
// waits holds no buffer.
//
// Shared by the connection and by its outstanding operations.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "api/http/limits.h"
#include "api/http/reply.h"
#include "api/http/transport.h"

namespace tandem {

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using Socket = boost::asio::generic::stream_protocol::socket;  // TCP or Unix

  // The io_context is shared with wakers: the engine may call one after the server is gone.
  // `transport` borrows the socket; `limits` outlive the channel.
  Channel(std::shared_ptr<boost::asio::io_context> io, Socket socket,
          std::unique_ptr<Transport> transport, const HttpLimits& limits);

  std::string& input() { return input_; }  // read and not consumed
  bool usable() const { return !peer_closed_ && !timed_out_ && !broken_; }
  bool can_write() const { return !timed_out_ && !broken_; }
  bool timed_out() const { return timed_out_; }
  bool peer_closed() const { return peer_closed_; }
  bool broken() const { return broken_; }
  bool writing() const { return writing_; }

  // What was queued and not yet handed to the socket.
  std::string& output() { return output_; }

  // kDone at once without TLS; kPlainHttp: from then on the channel speaks plainly, for a refusal.
  boost::asio::awaitable<Transport::Status> Handshake();

  void StartRead();  // no effect while one is outstanding
  // False when nothing more comes: the peer closed, the deadline passed, or the channel broke.
  boost::asio::awaitable<bool> ReadMore();
  // Sends the output, or what the socket takes at once; writing() tells whether some is left. Each
  // bit of progress moves the deadline by the write timeout, and the whole has an end in time too.
  void StartWrite();
  // False when the output could not be sent.
  boost::asio::awaitable<bool> Flush();
  // Bytes of the peer that nobody has consumed: closing now would reset the connection and might
  // take our last answer with it.
  bool HasUnreadInput() const;
  void ReleaseBuffers();  // of what is empty

  // Returns when something happened, the deadline passed, or `longest` did.
  boost::asio::awaitable<void> WaitEvent(Milliseconds longest = Milliseconds::max());
  void Notify();
  void SetDeadline(Milliseconds after) { deadline_ = Clock::now() + after; }
  void ClearDeadline() { deadline_ = Clock::time_point::max(); }
  // A refusal may still be sent after a read came too late.
  void ForgetTimeout() {
    timed_out_ = false;
    ClearDeadline();
  }
  Waker MakeWaker();

  void ShutdownSend();  // the proper end of what we send
  void Close();         // ShutdownSend; outstanding operations end; the channel is broken
  // Closes so that the peer cannot take what it has for all: no proper end, and what the system
  // still holds of our output is dropped.
  void Reset();

 private:
  using Clock = std::chrono::steady_clock;
  using ErrorCode = boost::system::error_code;

  void ReadSome();
  void WriteSome();
  void CloseSocket();

  std::shared_ptr<boost::asio::io_context> io_;
  Socket socket_;
  std::unique_ptr<Transport> transport_;
  const HttpLimits& limits_;
  boost::asio::steady_timer event_;  // cancelled by Notify
  Clock::time_point deadline_ = Clock::time_point::max();
  bool signalled_ = false;  // Notify came since the last WaitEvent
  bool reading_ = false;
  bool writing_ = false;
  bool peer_closed_ = false;  // end of file or a read error
  bool timed_out_ = false;
  bool broken_ = false;  // a write failed, or Close
  std::string input_;
  std::string output_;
  std::string in_flight_;        // being written, from written_ on
  size_t written_ = 0;           // of in_flight_
  Clock::time_point write_end_;  // when all of in_flight_ must be gone; set by StartWrite
};

}  // namespace tandem
