#pragma once
// Runs a test's body on every rank of a group: threads of this process, or processes of their own
// that gloo connects.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "kernels/comm/gloo_communicator.h"
#include "kernels/comm/thread_communicator.h"
#include "kernels/core/context.h"

namespace tandem {

// Why tests cannot use gloo; null where they can.
#if !TANDEM_HAS_GLOO
inline constexpr const char* kWithoutGloo = "built without gloo (libgloo-dev)";
#elif defined(__SANITIZE_THREAD__)
inline constexpr const char* kWithoutGloo = "libgloo is not built for the thread sanitizer";
#else
inline constexpr const char* kWithoutGloo = nullptr;
#endif

enum class RanksAre { kThreads, kProcesses };

struct Group {
  RanksAre ranks_are = RanksAre::kThreads;
  int num_ranks = 1;
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
};

inline std::ostream& operator<<(std::ostream& out, const Group& group) {
  return out << group.num_ranks
             << (group.ranks_are == RanksAre::kThreads ? "Threads" : "GlooProcesses");
}

struct Rank {
  std::unique_ptr<Communicator> communicator;  // a body may give it up
  Context& context;

  Communicator& operator*() { return *communicator; }
  Communicator* operator->() { return communicator.get(); }
};

using RankBody = std::function<void(Rank&)>;

// A port that nobody listened at a moment ago.
inline int FreePort() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* pointer = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(descriptor, pointer, size), 0);
  EXPECT_EQ(::getsockname(descriptor, pointer, &size), 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

// What a body throws fails the test.
inline void RunRank(const std::function<std::unique_ptr<Communicator>()>& make,
                    const RankBody& body) {
  try {
    ThreadPool pool(1);
    Workspace workspace;
    Context context{.pool = pool, .workspace = workspace};
    Rank rank{.communicator = make(), .context = context};
    body(rank);
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

inline void RunThreads(const Group& group, const RankBody& body) {
  std::vector<std::unique_ptr<Communicator>> communicators =
      MakeThreadCommunicators(group.num_ranks, group.timeout);
  std::vector<std::thread> threads;
  for (std::unique_ptr<Communicator>& communicator : communicators) {
    threads.emplace_back([&] { RunRank([&] { return std::move(communicator); }, body); });
  }
  for (std::thread& thread : threads) thread.join();
}

inline void RunProcesses(const Group& group, const RankBody& body) {
  const int port = FreePort();
  std::vector<pid_t> children;
  std::fflush(nullptr);
  for (int rank = 0; rank < group.num_ranks; ++rank) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::alarm(120);  // one that hangs fails the test
      const GlooSettings settings{
          .rendezvous = {
              .rank = {.rank = rank, .num_ranks = group.num_ranks, .timeout = group.timeout},
              .port = port}};
      RunRank([&] { return MakeGlooCommunicator(settings); }, body);
      std::fflush(nullptr);
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    children.push_back(child);
  }
  for (int rank = 0; rank < group.num_ranks; ++rank) {
    int status = -1;
    ASSERT_EQ(::waitpid(children[static_cast<size_t>(rank)], &status, 0),
              children[static_cast<size_t>(rank)]);
    EXPECT_EQ(status, 0) << "rank " << rank << " failed, see above";
  }
}

inline void RunRanks(const Group& group, const RankBody& body) {
  if (group.ranks_are == RanksAre::kThreads) {
    RunThreads(group, body);
  } else {
    RunProcesses(group, body);
  }
}

}  // namespace tandem
