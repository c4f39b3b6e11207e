#pragma once
// A blocking HTTP client that sends exactly the bytes it is given. Every wait ends after five
// seconds, or as long as it is told.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem {

struct RawResponse {
  int status = 0;  // 0: the connection ended before a whole head
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // of chunks: put together
  bool complete = false;                                     // the body's end was seen
  std::string_view Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer_bytes = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    WaitAtMost(std::chrono::seconds(5));
    if (receive_buffer_bytes > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                   sizeof(receive_buffer_bytes));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  explicit RawClient(const std::filesystem::path& unix_socket)
      : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    WaitAtMost(std::chrono::seconds(5));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    unix_socket.string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  RawClient(RawClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        input_(std::move(other.input_)) {}
  virtual ~RawClient() { Close(); }

  bool connected() const { return connected_; }
  int descriptor() const { return socket_; }  // -1 when closed
  void WaitAtMost(std::chrono::seconds longest) {
    const timeval limit{longest.count(), 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  void Close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  // False when the server has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = SendSome(bytes);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Adds to input(); false at the end, or after five seconds of silence.
  bool Receive() {
    char buffer[16384];
    const ssize_t size = ReceiveSome(buffer);
    if (size <= 0) return false;
    input_.append(buffer, static_cast<size_t>(size));
    return true;
  }
  bool ReceiveUntil(std::string_view text) {
    while (input_.find(text) == std::string::npos) {
      if (!Receive()) return false;
    }
    return true;
  }
  // True when the server closes (and sends nothing more) within five seconds.
  bool SeesClose() {
    char byte = 0;
    return ReceiveSome({&byte, 1}) == 0;
  }
  // The server sends nothing more, whatever the way: an end, or a reset.
  bool SeesEnd() {
    while (Receive()) {
    }
    char byte = 0;
    const ssize_t size = ReceiveSome({&byte, 1});
    return size == 0 || (size < 0 && errno == ECONNRESET);
  }
  // One receive that leaves input() alone; its result.
  ssize_t ReceiveInto(std::span<char> to) { return ReceiveSome(to); }
  void SetNonBlocking() { ::fcntl(socket_, F_SETFL, O_NONBLOCK); }
  // Ends our side; the server may still send.
  void CloseSending() { ::shutdown(socket_, SHUT_WR); }
  const std::string& input() const { return input_; }

  // One response off the input.
  RawResponse ReadResponse(bool head_only = false) {
    RawResponse response;
    if (!ReceiveUntil("\r\n\r\n")) return response;
    ParseHead(response);
    if (response.status == 100) return ReadResponse(head_only);
    if (head_only || response.status == 204) {
      response.complete = true;
    } else if (response.Header("transfer-encoding") == "chunked") {
      ReadChunks(response);
    } else if (!response.Header("content-length").empty()) {
      const auto length =
          static_cast<size_t>(std::stoul(std::string(response.Header("content-length"))));
      while (input_.size() < length && Receive()) {
      }
      response.complete = input_.size() >= length;
      response.body = input_.substr(0, length);
      input_.erase(0, length);
    } else {
      while (Receive()) {
      }
      response.complete = true;
      response.body = std::exchange(input_, "");
    }
    return response;
  }

 protected:
  virtual ssize_t SendSome(std::string_view bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  virtual ssize_t ReceiveSome(std::span<char> to) {
    return ::recv(socket_, to.data(), to.size(), 0);
  }
  int socket() const { return socket_; }

 private:
  void ParseHead(RawResponse& response) {
    const size_t end = input_.find("\r\n\r\n");
    const std::string head = input_.substr(0, end + 2);
    input_.erase(0, end + 4);
    response.status = std::stoi(head.substr(9, 3));
    size_t line = head.find("\r\n") + 2;
    while (line < head.size()) {
      const size_t next = head.find("\r\n", line);
      const size_t colon = head.find(": ", line);
      std::string name = head.substr(line, colon - line);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      response.headers.emplace_back(name, head.substr(colon + 2, next - colon - 2));
      line = next + 2;
    }
  }
  void ReadChunks(RawResponse& response) {
    while (true) {
      if (!ReceiveUntil("\r\n")) return;
      const size_t line = input_.find("\r\n");
      const size_t size = std::stoul(input_.substr(0, line), nullptr, 16);
      while (input_.size() < line + 2 + size + 2) {
        if (!Receive()) return;
      }
      response.body.append(input_, line + 2, size);
      input_.erase(0, line + 2 + size + 2);
      if (size > 0) continue;
      response.complete = true;
      return;
    }
  }

  int socket_;
  bool connected_ = false;
  std::string input_;
};

}  // namespace tandem
