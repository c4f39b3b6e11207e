#include "kernels/comm/tcp_rendezvous.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "kernels/core/error.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kMagic[16] = "tandem-ranks-1\n";
constexpr int64_t kMaxJobBytes = 4096;
constexpr int64_t kMaxTextBytes = 1 << 20;
constexpr int64_t kMaxAnswerBytes = int64_t{1} << 30;
constexpr size_t kMaxStrangers = 1024;  // connections at a time that have not said who they are
constexpr std::chrono::milliseconds kRetryInterval(20);

// First bytes of a rank's connection; the job and the text follow.
struct Greeting {
  char magic[sizeof(kMagic)];
  int64_t rank;
  int64_t num_ranks;
  int64_t job_bytes;
  int64_t text_bytes;
};
constexpr size_t kGreetingBytes = sizeof(Greeting);

// First bytes of rank 0's answer: then either the texts, each after its length, or why not.
struct Answer {
  int64_t refused;  // 0 or 1
  int64_t size_bytes;
};

int MillisecondsUntil(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

// False when the deadline has passed.
bool AwaitReady(int descriptor, short events, Clock::time_point deadline) {
  while (Clock::now() < deadline) {
    pollfd entry{.fd = descriptor, .events = events, .revents = 0};
    if (::poll(&entry, 1, MillisecondsUntil(deadline)) > 0) return true;
  }
  return false;
}

enum class Progress { kDone, kClosed, kLate };

Progress WriteAll(const Socket& socket, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      if (!AwaitReady(socket.descriptor(), POLLOUT, deadline)) return Progress::kLate;
    } else if (errno != EINTR) {
      return Progress::kClosed;
    }
  }
  return Progress::kDone;
}

Progress ReadAll(const Socket& socket, char* bytes, size_t size, Clock::time_point deadline) {
  while (size > 0) {
    const ssize_t count = ::recv(socket.descriptor(), bytes, size, 0);
    if (count > 0) {
      bytes += count;
      size -= static_cast<size_t>(count);
    } else if (count == 0) {
      return Progress::kClosed;
    } else if (errno == EAGAIN) {
      if (!AwaitReady(socket.descriptor(), POLLIN, deadline)) return Progress::kLate;
    } else if (errno != EINTR) {
      return Progress::kClosed;
    }
  }
  return Progress::kDone;
}

template <typename Record>
std::string_view BytesOf(const Record& record) {
  return {reinterpret_cast<const char*>(&record), sizeof(record)};
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses Resolve(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    throw ConfigError("the address of rank 0, \"" + address + "\", is not known here: " +
                      ::gai_strerror(error) + "; give one that all ranks know");
  }
  return {found, &::freeaddrinfo};
}

Socket Open(const addrinfo& address) {
  return Socket(::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                         address.ai_protocol));
}

std::string OwnAddressOf(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  char host[NI_MAXHOST] = {};
  auto* pointer = reinterpret_cast<sockaddr*>(&address);
  if (::getsockname(socket.descriptor(), pointer, &size) != 0 ||
      ::getnameinfo(pointer, size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) != 0) {
    throw DeviceError("a socket that does not know its own address");
  }
  return host;
}

std::string Place(const RendezvousSettings& settings) {
  return settings.address + ":" + std::to_string(settings.port);
}

std::string Self(const RendezvousSettings& settings) {
  return "rank " + std::to_string(settings.rank.rank) + " of " +
         std::to_string(settings.rank.num_ranks);
}

Socket Listen(const RendezvousSettings& settings) {
  const Addresses addresses = Resolve(settings.address, settings.port);
  int error = 0;
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    Socket socket = Open(*address);
    const int on = 1;
    ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (socket && ::bind(socket.descriptor(), address->ai_addr, address->ai_addrlen) == 0 &&
        ::listen(socket.descriptor(), SOMAXCONN) == 0) {
      return socket;
    }
    error = errno;
  }
  throw ConfigError(Self(settings) + " cannot listen at " + Place(settings) + ": " +
                    std::strerror(error) + "; give an address of its machine and a free port");
}

// One try at each address; none when nobody listens there yet.
Socket TryConnect(const Addresses& addresses, Clock::time_point deadline) {
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    Socket socket = Open(*address);
    if (!socket) continue;
    if (::connect(socket.descriptor(), address->ai_addr, address->ai_addrlen) != 0) {
      if (errno != EINPROGRESS || !AwaitReady(socket.descriptor(), POLLOUT, deadline)) continue;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) return socket;
  }
  return Socket();
}

Socket Connect(const RendezvousSettings& settings, Clock::time_point deadline) {
  const Addresses addresses = Resolve(settings.address, settings.port);
  while (Clock::now() < deadline) {
    if (Socket socket = TryConnect(addresses, deadline)) return socket;
    std::this_thread::sleep_for(kRetryInterval);  // a port that will listen tells nobody
  }
  throw DeviceError(Self(settings) + " did not reach rank 0 at " + Place(settings) + " within " +
                    ToString(settings.rank.timeout) + "; is rank 0 started there?");
}

// A connection to rank 0 whose greeting may still be on its way.
struct Guest {
  Socket socket;
  std::string bytes;

  enum class State { kSpeaking, kComplete, kStranger };

  // Takes what has come.
  State Listen() {
    char chunk[16384];
    while (true) {
      const ssize_t count = ::recv(socket.descriptor(), chunk, sizeof(chunk), 0);
      if (count > 0) {
        bytes.append(chunk, static_cast<size_t>(count));
        if (const State state = Judge(); state != State::kSpeaking) return state;
      } else if (count < 0 && errno == EINTR) {
        continue;
      } else {
        return count < 0 && errno == EAGAIN ? State::kSpeaking : State::kStranger;
      }
    }
  }
  Greeting greeting() const {
    Greeting greeting;
    std::memcpy(&greeting, bytes.data(), kGreetingBytes);
    return greeting;
  }
  std::string job() const {
    return bytes.substr(kGreetingBytes, static_cast<size_t>(greeting().job_bytes));
  }
  std::string text() const {
    return bytes.substr(kGreetingBytes + static_cast<size_t>(greeting().job_bytes));
  }

 private:
  State Judge() const {
    const size_t num_magic = std::min(bytes.size(), sizeof(kMagic));
    if (std::memcmp(bytes.data(), kMagic, num_magic) != 0) return State::kStranger;
    if (bytes.size() < kGreetingBytes) return State::kSpeaking;
    const Greeting head = greeting();
    if (head.job_bytes < 0 || head.job_bytes > kMaxJobBytes || head.text_bytes < 0 ||
        head.text_bytes > kMaxTextBytes) {
      return State::kStranger;
    }
    const size_t whole = kGreetingBytes + static_cast<size_t>(head.job_bytes + head.text_bytes);
    if (bytes.size() > whole) return State::kStranger;
    return bytes.size() == whole ? State::kComplete : State::kSpeaking;
  }
};

void Refuse(const Guest& guest, const std::string& why) {
  const Answer answer{.refused = 1, .size_bytes = static_cast<int64_t>(why.size())};
  // It fits into the socket's buffer, or its reader is gone: nothing to wait for.
  WriteAll(guest.socket, std::string(BytesOf(answer)) + why, Clock::now());
}

// Rank 0's list of who has come.
class GuestList {
 public:
  GuestList(const RendezvousSettings& settings, const std::string& own_text)
      : settings_(settings), ranks_(static_cast<size_t>(settings.rank.num_ranks)) {
    texts_.resize(ranks_.size());
    texts_[0] = own_text;
  }

  // A guest that is not of this job is turned away; one that is, but cannot be, ends it for all.
  void Enter(Guest guest) {
    const Greeting greeting = guest.greeting();
    if (guest.job() != settings_.job) {
      return Refuse(guest, "rank 0 at " + Place(settings_) + " is of job \"" + settings_.job +
                               "\", this one of \"" + guest.job() +
                               "\"; give each job a port of its own");
    }
    std::string error;
    if (greeting.num_ranks != settings_.rank.num_ranks) {
      error = "rank " + std::to_string(greeting.rank) + " was started as one of " +
              std::to_string(greeting.num_ranks) + ", rank 0 as one of " +
              std::to_string(settings_.rank.num_ranks);
    } else if (greeting.rank <= 0 || greeting.rank >= greeting.num_ranks) {
      error = "two processes are rank " + std::to_string(greeting.rank);
    } else if (ranks_[static_cast<size_t>(greeting.rank)]) {
      error = "two processes are rank " + std::to_string(greeting.rank);
    }
    if (!error.empty()) {
      error += "; start each rank once, and all with the same number of ranks";
      Refuse(guest, error);
      for (const std::optional<Guest>& other : ranks_) {
        if (other) Refuse(*other, error);
      }
      throw ConfigError(error);
    }
    const auto index = static_cast<size_t>(greeting.rank);
    texts_[index] = guest.text();
    ranks_[index] = std::move(guest);
  }

  std::vector<int> Missing() const {
    std::vector<int> missing;
    for (size_t rank = 1; rank < ranks_.size(); ++rank) {
      if (!ranks_[rank]) missing.push_back(static_cast<int>(rank));
    }
    return missing;
  }

  void AnswerAll(Clock::time_point deadline) const {
    std::string body;
    for (const std::string& text : texts_) {
      body += BytesOf(static_cast<int64_t>(text.size()));
      body += text;
    }
    const Answer answer{.refused = 0, .size_bytes = static_cast<int64_t>(body.size())};
    const std::string bytes = std::string(BytesOf(answer)) + body;
    for (size_t rank = 1; rank < ranks_.size(); ++rank) {
      if (WriteAll(ranks_[rank]->socket, bytes, deadline) != Progress::kDone) {
        throw DeviceError("rank 0: rank " + std::to_string(rank) +
                          " came and left before all others had come");
      }
    }
  }

  std::vector<std::string> TakeTexts() { return std::move(texts_); }

 private:
  const RendezvousSettings& settings_;
  std::vector<std::optional<Guest>> ranks_;
  std::vector<std::string> texts_;
};

std::vector<std::string> ParseTexts(std::string_view body, int num_ranks) {
  std::vector<std::string> texts;
  while (!body.empty()) {
    int64_t size = -1;
    if (body.size() < sizeof(size)) break;
    std::memcpy(&size, body.data(), sizeof(size));
    body.remove_prefix(sizeof(size));
    if (size < 0 || static_cast<uint64_t>(size) > body.size()) break;
    texts.emplace_back(body.substr(0, static_cast<size_t>(size)));
    body.remove_prefix(static_cast<size_t>(size));
  }
  if (!body.empty() || texts.size() != static_cast<size_t>(num_ranks)) {
    throw FormatError("rank 0's answer is not that of this program; start all ranks with one");
  }
  return texts;
}

void CheckSettings(const RendezvousSettings& settings) {
  const RankSettings& rank = settings.rank;
  if (rank.num_ranks < 1 || rank.rank < 0 || rank.rank >= rank.num_ranks) {
    throw ConfigError("rank " + std::to_string(rank.rank) + " of " +
                      std::to_string(rank.num_ranks) + ": ranks count from 0 to one below");
  }
  if (settings.port < 1 || settings.port > 65535) {
    throw ConfigError("port " + std::to_string(settings.port) + " of rank 0 is not in [1, 65535]");
  }
  if (rank.timeout.count() <= 0) throw ConfigError("no time to wait for other ranks");
  CHECK(static_cast<int64_t>(settings.job.size()) <= kMaxJobBytes, settings.job.size());
}

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

TcpRendezvous::TcpRendezvous(const RendezvousSettings& settings)
    : settings_(settings), deadline_(Clock::now() + settings.rank.timeout) {
  CheckSettings(settings);
  socket_ = settings.rank.rank == 0 ? Listen(settings) : Connect(settings, deadline_);
  own_address_ = OwnAddressOf(socket_);
  if (own_address_ == "0.0.0.0" || own_address_ == "::") {
    throw ConfigError("the address of rank 0 is \"" + settings.address +
                      "\", which other machines cannot reach; give one that they can");
  }
}

std::vector<std::string> TcpRendezvous::AllGather(const std::string& text) {
  CHECK(static_cast<int64_t>(text.size()) <= kMaxTextBytes, text.size());
  CHECK(socket_, "a rendezvous is for one time");
  const Socket socket = std::move(socket_);  // closed with this call, however it ends
  return settings_.rank.rank == 0 ? Collect(socket, text) : Ask(socket, text);
}

std::vector<std::string> TcpRendezvous::Collect(const Socket& listener, const std::string& text) {
  GuestList list(settings_, text);
  std::vector<Guest> guests;
  while (!list.Missing().empty()) {
    if (Clock::now() >= deadline_) {
      std::string ranks;
      for (const int rank : list.Missing())
        ranks += (ranks.empty() ? "" : ", ") + std::to_string(rank);
      throw DeviceError(Self(settings_) + " at " + Place(settings_) +
                        ": these ranks did not come within " + ToString(settings_.rank.timeout) +
                        ": " + ranks + "; are they started?");
    }
    std::vector<pollfd> entries{{.fd = listener.descriptor(), .events = POLLIN, .revents = 0}};
    for (const Guest& guest : guests) {
      entries.push_back({.fd = guest.socket.descriptor(), .events = POLLIN, .revents = 0});
    }
    ::poll(entries.data(), entries.size(), MillisecondsUntil(deadline_));
    for (size_t i = guests.size(); i-- > 0;) {
      if (entries[i + 1].revents == 0) continue;
      const Guest::State state = guests[i].Listen();
      if (state == Guest::State::kSpeaking) continue;
      Guest guest = std::move(guests[i]);
      guests.erase(guests.begin() + static_cast<std::ptrdiff_t>(i));
      if (state == Guest::State::kComplete) list.Enter(std::move(guest));
    }
    if (entries[0].revents == 0 || guests.size() >= kMaxStrangers) continue;
    Socket guest(::accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (guest) guests.push_back({.socket = std::move(guest), .bytes = ""});
  }
  list.AnswerAll(deadline_);
  return list.TakeTexts();
}

std::vector<std::string> TcpRendezvous::Ask(const Socket& master, const std::string& text) {
  Greeting greeting{.rank = settings_.rank.rank,
                    .num_ranks = settings_.rank.num_ranks,
                    .job_bytes = static_cast<int64_t>(settings_.job.size()),
                    .text_bytes = static_cast<int64_t>(text.size())};
  std::memcpy(greeting.magic, kMagic, sizeof(kMagic));
  const std::string bytes = std::string(BytesOf(greeting)) + settings_.job + text;
  Answer answer{};
  std::string body;
  Progress progress = WriteAll(master, bytes, deadline_);
  if (progress == Progress::kDone) {
    progress = ReadAll(master, reinterpret_cast<char*>(&answer), sizeof(answer), deadline_);
  }
  if (progress == Progress::kDone) {
    if (answer.size_bytes < 0 || answer.size_bytes > kMaxAnswerBytes) {
      throw FormatError(Place(settings_) + " is not rank 0 of this program");
    }
    body.resize(static_cast<size_t>(answer.size_bytes));
    progress = ReadAll(master, body.data(), body.size(), deadline_);
  }
  switch (progress) {
    case Progress::kDone:
      break;
    case Progress::kClosed:
      throw DeviceError(Self(settings_) + ": rank 0 at " + Place(settings_) +
                        " left before all ranks had come; see what it says");
    case Progress::kLate:
      throw DeviceError(Self(settings_) + ": rank 0 at " + Place(settings_) +
                        " did not say within " + ToString(settings_.rank.timeout) +
                        " that all ranks had come; are they started?");
  }
  if (answer.refused != 0) throw ConfigError(body);
  return ParseTexts(body, settings_.rank.num_ranks);
}

}  // namespace tandem
