#include "loadtest/http/fetch.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

#include "loadtest/http/response_reader.h"

namespace tandem {
namespace {

constexpr size_t kMaxAnswerBytes = 64 << 20;

class Fetcher final : private ClientConnection::User, private ResponseReader::Sink {
 public:
  explicit Fetcher(std::shared_ptr<ClientConnection> connection)
      : connection_(std::move(connection)) {}
  ~Fetcher() override { connection_->Close(); }

  FetchedAnswer Run(boost::asio::io_context& io, std::string_view request,
                    std::chrono::seconds longest) {
    io.restart();
    connection_->Send(request, this);
    const auto deadline = std::chrono::steady_clock::now() + longest;
    while (!is_done_ && io.run_one_until(deadline) > 0) {
    }
    if (!is_done_) answer_.reason = fmt::format("no answer within {} s", longest.count());
    if (HasAnswer() && answer_.reason.empty()) answer_.status = reader_.status();
    return std::move(answer_);
  }

 private:
  bool HasAnswer() const { return reader_.state() == ResponseReader::State::kComplete; }

  void OnBytes(std::string_view bytes) override {
    reader_.Feed(bytes, *this);
    if (reader_.state() == ResponseReader::State::kIncomplete) return;
    if (!HasAnswer()) answer_.reason = "what answers is not an HTTP server";
    is_done_ = true;
    connection_->Close();
  }
  void OnEnd(ClientConnection::End, const std::string& reason) override {
    reader_.FeedEnd();
    if (!HasAnswer()) answer_.reason = reason;
    is_done_ = true;
  }
  void OnHead(const ResponseReader&) override {}
  void OnBody(std::string_view piece) override {
    if (answer_.body.size() + piece.size() <= kMaxAnswerBytes) {
      answer_.body.append(piece);
    } else {
      answer_.reason = "the answer exceeds 64 MiB";
    }
  }

  std::shared_ptr<ClientConnection> connection_;
  ResponseReader reader_;
  FetchedAnswer answer_;
  bool is_done_ = false;
};

}  // namespace

FetchedAnswer Fetch(boost::asio::io_context& io, ConnectionSource& connections,
                    std::string_view request, std::chrono::seconds longest) {
  return Fetcher(connections.Make()).Run(io, request, longest);
}

}  // namespace tandem
