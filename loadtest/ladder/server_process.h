#pragma once
// `tandem serve` as a child process on a free port of loopback. Its output is read as long as the
// io_context runs; the last of it is kept for messages. Owned by one step of the ladder; one
// thread. The server ends with the object.

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "loadtest/http/server_url.h"
#include "loadtest/ladder/child_process.h"

namespace tandem {

struct ServerCommand {
  std::filesystem::path program;
  std::vector<std::string> arguments;  // of `serve`, but for host, port and log level
};

class ServerProcess {
 public:
  // Starts it; the io_context outlives this. ConfigError when there is no such program.
  ServerProcess(boost::asio::io_context& io, const ServerCommand& command);

  // Blocks in the io_context. ConfigError, with what the server said last, when it ended or was not
  // ready in time.
  void WaitUntilReady(std::chrono::milliseconds longest);
  // What it says of itself once it is ready: "default: bfloat16 weights (23 MiB), ...".
  const std::string& description() const { return description_; }
  const ServerUrl& url() const { return url_; }

  // ": it ended with status 1 and said last: ..." once it has ended; empty while it runs.
  std::string EndedText();
  void Stop() { process_.Stop(); }

 private:
  void Read();
  bool FindReadyLine();
  std::string LastWords() const;

  boost::asio::io_context& io_;
  const std::string command_text_;
  ChildProcess process_;
  boost::asio::posix::stream_descriptor output_;
  std::array<char, 4096> piece_{};
  std::string text_;  // the last of its output
  bool has_ended_ = false;
  std::string description_;
  ServerUrl url_;
};

}  // namespace tandem
