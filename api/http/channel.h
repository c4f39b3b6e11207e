#pragma once
// A client's socket with at most one read and one write outstanding, a deadline, and one event that
// the connection's coroutine waits for. Everything runs on the I/O thread except the waker, which
// posts.
//
// Shared by the connection and by its outstanding operations.

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "api/http/reply.h"

namespace tandem {

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // The io_context is shared with wakers: the engine may call one after the server is gone.
  Channel(std::shared_ptr<boost::asio::io_context> io, boost::asio::ip::tcp::socket socket);

  std::string& input() { return input_; }  // read and not consumed
  bool usable() const { return !peer_closed_ && !timed_out_ && !broken_; }
  bool can_write() const { return !timed_out_ && !broken_; }
  bool timed_out() const { return timed_out_; }
  bool peer_closed() const { return peer_closed_; }
  bool broken() const { return broken_; }
  bool reading() const { return reading_; }
  bool writing() const { return writing_; }

  // What was queued and not yet handed to the socket.
  std::string& output() { return output_; }

  void StartRead();  // no effect while one is outstanding
  // False when nothing more comes: the peer closed, the deadline passed, or the channel broke.
  boost::asio::awaitable<bool> ReadMore();
  // Sends the output; each bit of progress moves the deadline to `timeout` from then.
  void StartWrite(Milliseconds timeout);
  boost::asio::awaitable<bool> Flush(Milliseconds timeout);

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

  void ShutdownSend();
  void Close();  // outstanding operations end; the channel is broken

 private:
  using Clock = std::chrono::steady_clock;

  void WriteSome(Milliseconds timeout);

  std::shared_ptr<boost::asio::io_context> io_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer event_;  // cancelled by Notify
  Clock::time_point deadline_ = Clock::time_point::max();
  bool signalled_ = false;  // Notify came since the last WaitEvent
  bool reading_ = false;
  bool writing_ = false;
  bool peer_closed_ = false;  // end of file or a read error
  bool timed_out_ = false;
  bool broken_ = false;  // a write failed, or Close
  std::array<char, 8192> chunk_;
  std::string input_;
  std::string output_;
  std::string in_flight_;  // being written, from written_ on
  size_t written_ = 0;
};

}  // namespace tandem
