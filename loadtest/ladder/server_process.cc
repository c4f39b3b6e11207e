#include "loadtest/ladder/server_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr size_t kKeptBytes = 16 << 10;
constexpr size_t kToldBytes = 600;
constexpr std::string_view kReady = "ready on ";

std::vector<std::string> ArgumentsOf(const ServerCommand& command) {
  std::vector<std::string> arguments = {"serve", "--host=127.0.0.1", "--port=0",
                                        "--log-level=warning"};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  return arguments;
}

// asio closes what it reads from, and the process its own.
int Duplicate(int descriptor) { return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }

}  // namespace

ServerProcess::ServerProcess(boost::asio::io_context& io, const ServerCommand& command)
    : io_(io),
      command_text_(
          fmt::format("{} {}", command.program.string(), fmt::join(ArgumentsOf(command), " "))),
      process_(command.program, ArgumentsOf(command)),
      output_(io, Duplicate(process_.output())) {
  Read();
}

void ServerProcess::Read() {
  output_.async_read_some(boost::asio::buffer(piece_),
                          [this](const boost::system::error_code& error, size_t size) {
                            if (error == boost::asio::error::operation_aborted) return;
                            has_ended_ = static_cast<bool>(error);
                            text_.append(piece_.data(), size);
                            if (text_.size() > kKeptBytes)
                              text_.erase(0, text_.size() - kKeptBytes);
                            if (!has_ended_) Read();
                          });
}

void ServerProcess::WaitUntilReady(std::chrono::milliseconds longest) {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  io_.restart();
  while (!FindReadyLine()) {
    if (has_ended_) throw ConfigError("no server" + EndedText());
    if (io_.run_one_until(deadline) > 0) continue;
    throw ConfigError(fmt::format(
        "the server was not ready within {}: {}; it said last: {}; raise --ready-within",
        FormatDuration(longest), Printable(command_text_), LastWords()));
  }
}

// "ready on http://127.0.0.1:39121 with NAME: ...", a whole line of it.
bool ServerProcess::FindReadyLine() {
  size_t begin = text_.starts_with(kReady) ? 0 : text_.find("\n" + std::string(kReady));
  if (begin == text_.npos) return false;
  if (begin > 0) ++begin;
  const size_t end = text_.find('\n', begin);
  if (end == text_.npos) return false;
  std::string_view line = std::string_view(text_).substr(begin, end - begin);
  line.remove_prefix(kReady.size());
  const size_t space = std::min(line.find(' '), line.size());
  url_ = ParseServerUrl(line.substr(0, space));
  line.remove_prefix(space);
  constexpr std::string_view kWith = " with ";
  if (line.starts_with(kWith)) line.remove_prefix(kWith.size());
  description_ = Printable(line);
  return true;
}

std::string ServerProcess::EndedText() {
  io_.restart();
  io_.poll();  // its end may be there and not read
  if (!has_ended_) return "";
  return fmt::format(": {} ended {} and said last: {}; try that command by itself",
                     Printable(command_text_), process_.WaitForEnd(std::chrono::seconds(5)),
                     LastWords());
}

std::string ServerProcess::LastWords() const {
  std::string_view words = text_;
  if (words.size() > kToldBytes) words.remove_prefix(words.size() - kToldBytes);
  while (words.ends_with('\n')) words.remove_suffix(1);
  return words.empty() ? "nothing" : Quoted(words);
}

}  // namespace tandem
