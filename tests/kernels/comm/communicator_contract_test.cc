// What kernels/comm/communicator.h promises, on threads and on processes that gloo connects.

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <numeric>

#include "kernels/core/error.h"
#include "tests/kernels/comm/ranks.h"
#include "tests/kernels/comm/values.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

constexpr int64_t kSizes[] = {0, 1, 2, 63, 64, 65, 1009, 300'007};

template <typename T>
TensorView View(std::vector<T>& values) {
  return {values.data(), Shape{static_cast<int64_t>(values.size())}};
}

class CommunicatorContract : public ::testing::TestWithParam<Group> {
 protected:
  void SetUp() override {
    if (GetParam().ranks_are == RanksAre::kProcesses && kWithoutGloo != nullptr) {
      GTEST_SKIP() << "SKIPPED: " << kWithoutGloo;
    }
  }
  void Run(const RankBody& body) { RunRanks(GetParam(), body); }
  void RunFor(std::chrono::milliseconds timeout, const RankBody& body) {
    Group group = GetParam();
    group.timeout = timeout;
    RunRanks(group, body);
  }
  static int num_ranks() { return GetParam().num_ranks; }
};

// Groups with somebody else in them.
class CommunicatorOfSeveral : public CommunicatorContract {};
// Groups whose ranks can die.
class CommunicatorOfProcesses : public CommunicatorContract {};

TEST_P(CommunicatorContract, KnowsItsRank) {
  Run([](Rank& rank) {
    EXPECT_EQ(rank->num_ranks(), num_ranks());
    std::vector<int32_t> own{rank->rank()}, all(static_cast<size_t>(num_ranks()), -1);
    rank->AllGather(rank.context, View(own), View(all));
    std::vector<int32_t> expected(all.size());
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(all, expected);
  });
}

template <typename T>
void ExpectAllReduceIsTheTree(Rank& rank, int64_t size, int num_contributors) {
  std::vector<T> x = Values<T>(rank->rank(), size);
  rank->AllReduceSum(rank.context, View(x), num_contributors);
  EXPECT_TRUE(SameBits(x, TreeSums<T>(0, num_contributors, size)))
      << Name(kDTypeOf<T>) << " [" << size << "], rank " << rank->rank();
}

TEST_P(CommunicatorContract, SumIsTheFixedTree) {
  Run([](Rank& rank) {
    for (const int64_t size : kSizes) {
      ExpectAllReduceIsTheTree<float>(rank, size, num_ranks());
      ExpectAllReduceIsTheTree<BFloat16>(rank, size, num_ranks());
      ExpectAllReduceIsTheTree<int32_t>(rank, size, num_ranks());
      ExpectAllReduceIsTheTree<int64_t>(rank, size, num_ranks());
    }
    ExpectAllReduceIsTheTree<float>(rank, (int64_t{1} << 21) + 1009, num_ranks());  // two chunks
  });
}

// Otherwise the test above could not fail: a sum in ascending order has other bits.
TEST(CommunicatorContractValues, ShowTheOrderOfASum) {
  int num_different = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    float ascending = 0;
    for (int leaf = 0; leaf < 4; ++leaf) ascending += Value<float>(leaf, i);
    num_different += ascending != TreeSum<float>(0, 4, i);
  }
  EXPECT_GT(num_different, 100);
}

TEST_P(CommunicatorContract, TheLastRanksMayContributeNothing) {
  Run([](Rank& rank) {
    for (int num_contributors = 1; num_contributors <= num_ranks(); ++num_contributors) {
      ExpectAllReduceIsTheTree<float>(rank, 1009, num_contributors);
      ExpectAllReduceIsTheTree<BFloat16>(rank, 65, num_contributors);
    }
    std::vector<float> zero{-0.0f};
    if (rank->rank() > 0) zero = {0.0f};
    rank->AllReduceSum(rank.context, View(zero), 1);
    EXPECT_TRUE(std::signbit(zero[0]));
  });
}

// Leaves on ranks as micro-batches are: any number of ranks gives the bits of one.
TEST_P(CommunicatorContract, SubtreesOfRanksMakeTheTreeOverAllLeaves) {
  Run([](Rank& rank) {
    constexpr int64_t kSize = 257;
    for (int num_leaves = 1; num_leaves <= 20; ++num_leaves) {
      int per_rank = 1;
      while (per_rank * num_ranks() < num_leaves) per_rank *= 2;
      const int num_contributors = (num_leaves + per_rank - 1) / per_rank;
      const int first = rank->rank() * per_rank;
      std::vector<float> x(kSize, 1e30f);
      if (first < num_leaves) {
        x = TreeSums<float>(first, std::min(per_rank, num_leaves - first), kSize);
      }
      rank->AllReduceSum(rank.context, View(x), num_contributors);
      EXPECT_TRUE(SameBits(x, TreeSums<float>(0, num_leaves, kSize))) << num_leaves;
    }
  });
}

template <typename T>
void ExpectReduceScatterIsTheTree(Rank& rank, int64_t width) {
  std::vector<T> x = Values<T>(rank->rank(), width * rank->num_ranks());
  std::vector<T> share(static_cast<size_t>(width));
  rank->ReduceScatterSum(rank.context, View(x), View(share));
  const std::vector<T> sums = TreeSums<T>(0, rank->num_ranks(), width * rank->num_ranks());
  const auto begin = sums.begin() + rank->rank() * width;
  EXPECT_TRUE(SameBits(share, std::vector<T>(begin, begin + width)))
      << Name(kDTypeOf<T>) << " [" << width << "]";
  EXPECT_TRUE(SameBits(x, Values<T>(rank->rank(), width * rank->num_ranks())));
}

TEST_P(CommunicatorContract, ReduceScatterHasTheBitsOfAllReduce) {
  Run([](Rank& rank) {
    for (const int64_t width : {int64_t{0}, int64_t{1}, int64_t{67}, int64_t{1009}}) {
      ExpectReduceScatterIsTheTree<float>(rank, width);
      ExpectReduceScatterIsTheTree<BFloat16>(rank, width);
      ExpectReduceScatterIsTheTree<int32_t>(rank, width);
    }
    // More than one chunk.
    ExpectReduceScatterIsTheTree<float>(rank, (int64_t{1} << 21) / num_ranks() + 5);
  });
}

template <typename T>
void ExpectBroadcast(Rank& rank, int64_t size) {
  for (int root = 0; root < rank->num_ranks(); ++root) {
    std::vector<T> x = Values<T>(rank->rank(), size);
    rank->Broadcast(rank.context, View(x), root);
    EXPECT_TRUE(SameBits(x, Values<T>(root, size))) << size << " from " << root;
  }
}

TEST_P(CommunicatorContract, BroadcastsFromEveryRoot) {
  Run([](Rank& rank) {
    for (const int64_t size : kSizes) {
      ExpectBroadcast<float>(rank, size);
      ExpectBroadcast<uint8_t>(rank, size);
      ExpectBroadcast<BFloat16>(rank, size);
      ExpectBroadcast<int32_t>(rank, size);
    }
    ExpectBroadcast<uint8_t>(rank, (64 << 10) + 1);
  });
}

template <typename T>
void ExpectAllGather(Rank& rank, int64_t size) {
  std::vector<T> own = Values<T>(rank->rank(), size), expected;
  for (int peer = 0; peer < rank->num_ranks(); ++peer) {
    const std::vector<T> theirs = Values<T>(peer, size);
    expected.insert(expected.end(), theirs.begin(), theirs.end());
  }
  std::vector<T> all(expected.size());
  rank->AllGather(rank.context, View(own), View(all));
  EXPECT_TRUE(SameBits(all, expected)) << size;
  // In place.
  std::vector<T> rows(expected.size());
  std::copy(own.begin(), own.end(), rows.begin() + rank->rank() * size);
  const TensorView view = View(rows);
  rank->AllGather(rank.context, view.Rows(rank->rank() * size, size), view);
  EXPECT_TRUE(SameBits(rows, expected)) << size;
}

TEST_P(CommunicatorContract, GathersFromAll) {
  Run([](Rank& rank) {
    for (const int64_t size : kSizes) {
      ExpectAllGather<float>(rank, size);
      ExpectAllGather<uint8_t>(rank, size);
    }
  });
}

TEST_P(CommunicatorOfSeveral, SendsAroundTheRing) {
  Run([](Rank& rank) {
    const int next = (rank->rank() + 1) % num_ranks();
    const int previous = (rank->rank() + num_ranks() - 1) % num_ranks();
    for (const int64_t size : kSizes) {
      std::vector<int32_t> sent = Values<int32_t>(rank->rank(), size), received(sent.size());
      const auto send = [&] { rank->Send(rank.context, View(sent), next); };
      const auto receive = [&] { rank->Receive(rank.context, View(received), previous); };
      if (rank->rank() == 0) {
        send();
        receive();
      } else {
        receive();
        send();
      }
      EXPECT_EQ(received, Values<int32_t>(previous, size));
    }
    rank->Barrier();
  });
}

TEST_P(CommunicatorContract, TextsAreOfAnyLength) {
  Run([](Rank& rank) {
    const auto text_of = [](int r) {
      return std::string(static_cast<size_t>(r) * 1000, 'a' + static_cast<char>(r));
    };
    const std::vector<std::string> texts = rank->AllGatherText(text_of(rank->rank()));
    ASSERT_EQ(texts.size(), static_cast<size_t>(num_ranks()));
    for (int peer = 0; peer < num_ranks(); ++peer) {
      EXPECT_EQ(texts[static_cast<size_t>(peer)], text_of(peer));
      EXPECT_EQ(rank->BroadcastText(text_of(rank->rank()), peer), text_of(peer));
    }
    EXPECT_EQ(rank->BroadcastText(rank->rank() == 0 ? std::string("a\0b", 3) : "", 0),
              std::string("a\0b", 3));
  });
}

TEST_P(CommunicatorContract, SettingsThatDifferAreNamedOnAllRanks) {
  Run([](Rank& rank) {
    rank->CheckSame("settings", "steps: 10\nseed: 1\n");
    if (num_ranks() == 1) return;
    const bool is_last = rank->rank() == num_ranks() - 1;
    const std::string error = MessageOf<ConfigError>([&] {
      rank->CheckSame("settings", is_last ? "steps: 10\nseed: 2\n" : "steps: 10\nseed: 1\n");
    });
    EXPECT_TRUE(Contains(error, "ranks have different settings: rank 0 has \"seed: 1\", rank " +
                                    std::to_string(num_ranks() - 1) + " has \"seed: 2\""));
    EXPECT_TRUE(
        Contains(MessageOf<ConfigError>([&] { rank->CheckSame("names", is_last ? "a" : "a\nb"); }),
                 "rank 0 has \"b\""));
    rank->Barrier();  // the ranks still agree on where they are
  });
}

TEST_P(CommunicatorContract, FiftyRoundsOfEverything) {
  Run([](Rank& rank) {
    for (int round = 0; round < 50; ++round) {
      const int root = round % num_ranks();
      const int64_t size = static_cast<int64_t>(Bits(0, round) % 5000);
      ExpectAllReduceIsTheTree<float>(rank, size, num_ranks());
      if (round % 3 == 0) rank->Barrier();
      std::vector<int32_t> x = Values<int32_t>(rank->rank(), size);
      rank->Broadcast(rank.context, View(x), root);
      EXPECT_EQ(x, Values<int32_t>(root, size));
      if (num_ranks() > 1 && rank->rank() == root) {
        rank->Send(rank.context, View(x), (root + 1) % num_ranks());
      } else if (num_ranks() > 1 && rank->rank() == (root + 1) % num_ranks()) {
        std::vector<int32_t> received(x.size());
        rank->Receive(rank.context, View(received), root);
        EXPECT_EQ(received, x);
      }
      ExpectAllGather<uint8_t>(rank, size % 100);
      EXPECT_EQ(rank->BroadcastText(std::to_string(rank->rank()), root), std::to_string(root));
      ExpectReduceScatterIsTheTree<BFloat16>(rank, size % 300);
    }
  });
}

TEST_P(CommunicatorOfSeveral, DifferentSizesAreNamedOnAllRanks) {
  Run([](Rank& rank) {
    const bool is_last = rank->rank() == num_ranks() - 1;
    std::vector<float> x(is_last ? 5 : 4);
    const auto sum = [&] { rank->AllReduceSum(rank.context, View(x)); };
    rank->Barrier();
    const std::string error = MessageOf<InternalError>(sum);
    const std::string ranks = std::to_string(num_ranks());
    EXPECT_TRUE(Contains(
        error, "rank 0 is at AllReduceSum of f32 [4] of " + ranks + " ranks (operation 1)"));
    EXPECT_TRUE(Contains(
        error, "rank " + std::to_string(num_ranks() - 1) + " at AllReduceSum of f32 [5] of"));
    // A communicator that failed says so from then on.
    EXPECT_TRUE(Contains(MessageOf<DeviceError>([&] { rank->Barrier(); }),
                         "takes part no more, after: ranks"));
  });
}

TEST_P(CommunicatorOfSeveral, DifferentOperationsAreNamedOnAllRanks) {
  const std::function<void(Rank&)> last_calls[] = {
      [](Rank& rank) { rank->Barrier(); },
      [](Rank& rank) {
        std::vector<int32_t> x(4);
        rank->Broadcast(rank.context, View(x), 0);
      },
      [](Rank& rank) {
        std::vector<float> x(4);
        rank->Broadcast(rank.context, View(x), 1);
      },
      [](Rank& rank) { rank->AllGatherText("four"); },
  };
  for (const auto& last_call : last_calls) {
    Run([&](Rank& rank) {
      std::vector<float> x(4);
      const std::string error = MessageOf<InternalError>([&] {
        if (rank->rank() == num_ranks() - 1) {
          last_call(rank);
        } else {
          rank->Broadcast(rank.context, View(x), 0);
        }
      });
      EXPECT_TRUE(
          Contains(error, "rank 0 is at Broadcast of f32 [4] from rank 0 (operation 0), rank " +
                              std::to_string(num_ranks() - 1) + " at "));
    });
  }
}

TEST_P(CommunicatorOfSeveral, SendMustMeetItsReceive) {
  Run([](Rank& rank) {
    if (rank->rank() > 1) return;
    std::vector<float> x(static_cast<size_t>(3 + rank->rank()));
    const std::string error = MessageOf<InternalError>([&] {
      if (rank->rank() == 0) {
        rank->Send(rank.context, View(x), 1);
      } else {
        rank->Receive(rank.context, View(x), 0);
      }
    });
    EXPECT_TRUE(Contains(error, "Send of f32 [3] to rank 1"));
    EXPECT_TRUE(Contains(error, "Receive of f32 [4] from rank 0"));
  });
}

TEST_P(CommunicatorContract, WrongOperandsAreRefused) {
  Run([](Rank& rank) {
    std::vector<float> x(4), all(static_cast<size_t>(4 * num_ranks() + 1));
    const std::string error =
        MessageOf<InternalError>([&] { rank->AllGather(rank.context, View(x), View(all)); });
    EXPECT_TRUE(Contains(error, "AllGather of f32 [4] into f32"));
  });
  Run([](Rank& rank) {
    std::vector<uint8_t> x(4);
    const std::string error =
        MessageOf<InternalError>([&] { rank->AllReduceSum(rank.context, View(x)); });
    EXPECT_TRUE(Contains(error, "AllReduceSum of u8 is not supported"));
  });
  Run([](Rank& rank) {
    std::vector<uint8_t> x(4);
    MessageOf<InternalError>([&] { rank->Broadcast(rank.context, View(x), num_ranks()); });
  });
}

TEST_P(CommunicatorOfSeveral, ARankThatLeavesFailsTheOthersSoon) {
  Run([](Rank& rank) {
    rank->Barrier();
    if (rank->rank() == 1) {
      rank.communicator.reset();
      return;
    }
    const auto start = std::chrono::steady_clock::now();
    std::vector<float> x(100'000);
    const std::string error =
        MessageOf<DeviceError>([&] { rank->AllReduceSum(rank.context, View(x)); });
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    EXPECT_TRUE(Contains(
        error, "rank " + std::to_string(rank->rank()) + " of " + std::to_string(num_ranks())));
    EXPECT_TRUE(Contains(error, "AllReduceSum of f32 [100000]"));
    EXPECT_TRUE(Contains(error, " left: "));
    EXPECT_TRUE(Contains(error, "rank "));
    if (num_ranks() == 2) {
      EXPECT_TRUE(Contains(error, "rank 1 left: "));
    }
  });
}

TEST_P(CommunicatorOfProcesses, ARankThatDiesFailsTheOthersSoon) {
  Run([](Rank& rank) {
    rank->Barrier();
    if (rank->rank() == 1) ::_exit(0);  // nothing is closed or said by this program
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(Contains(MessageOf<DeviceError>([&] {
                           for (int i = 0; i < 2; ++i) rank->Barrier();
                         }),
                         " left: "));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  });
}

TEST_P(CommunicatorOfSeveral, ARankThatDoesNotComeIsNamedInTime) {
  RunFor(std::chrono::seconds(1), [](Rank& rank) {
    rank->Barrier();
    const auto start = std::chrono::steady_clock::now();
    if (rank->rank() == 1) {
      // Alive and busy with something else, until the others have given up.
      std::this_thread::sleep_for(std::chrono::milliseconds(2500));
      return;
    }
    const std::string error = MessageOf<DeviceError>([&] { rank->Barrier(); });
    const auto waited = std::chrono::steady_clock::now() - start;
    EXPECT_LT(waited, std::chrono::milliseconds(2400)) << error;
    // The first of them to give up has waited its whole time; it takes the others with it.
    EXPECT_TRUE(Contains(error, "Barrier (operation 1): "));
    if (num_ranks() == 2) {
      EXPECT_GE(waited, std::chrono::seconds(1));
      EXPECT_TRUE(
          Contains(error, "rank 0 of 2, Barrier (operation 1): rank 1 did not come within 1 s"));
    }
  });
}

std::string GroupName(const ::testing::TestParamInfo<Group>& group) {
  std::ostringstream name;
  name << group.param;
  return name.str();
}

constexpr Group kAlone{RanksAre::kThreads, 1};
constexpr Group kThreads[] = {{RanksAre::kThreads, 2},
                              {RanksAre::kThreads, 3},
                              {RanksAre::kThreads, 4},
                              {RanksAre::kThreads, 7}};
constexpr Group kProcesses[] = {{RanksAre::kProcesses, 2}, {RanksAre::kProcesses, 3}};

INSTANTIATE_TEST_SUITE_P(Alone, CommunicatorContract, ::testing::Values(kAlone), GroupName);
INSTANTIATE_TEST_SUITE_P(Threads, CommunicatorContract, ::testing::ValuesIn(kThreads), GroupName);
INSTANTIATE_TEST_SUITE_P(Processes, CommunicatorContract, ::testing::ValuesIn(kProcesses),
                         GroupName);
INSTANTIATE_TEST_SUITE_P(Threads, CommunicatorOfSeveral, ::testing::ValuesIn(kThreads), GroupName);
INSTANTIATE_TEST_SUITE_P(Processes, CommunicatorOfSeveral, ::testing::ValuesIn(kProcesses),
                         GroupName);
INSTANTIATE_TEST_SUITE_P(Processes, CommunicatorOfProcesses, ::testing::ValuesIn(kProcesses),
                         GroupName);

int NumEntries(const char* folder) {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(GlooCommunicator, LeavesNoDescriptorAndNoThread) {
  if (kWithoutGloo != nullptr) GTEST_SKIP() << "SKIPPED: " << kWithoutGloo;
  const auto run = [] {
    const int port = FreePort();
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 2; ++rank) {
      threads.emplace_back([rank, port] {
        const GlooSettings settings{
            .rendezvous = {
                .rank = {.rank = rank, .num_ranks = 2, .timeout = std::chrono::seconds(30)},
                .port = port}};
        RunRank([&] { return MakeGlooCommunicator(settings); },
                [](Rank& self) { ExpectAllReduceIsTheTree<float>(self, 1009, 2); });
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  run();
  const int num_descriptors = NumEntries("/proc/self/fd");
  const int num_threads = NumEntries("/proc/self/task");
  for (int i = 0; i < 5; ++i) run();
  EXPECT_EQ(NumEntries("/proc/self/fd"), num_descriptors);
  // The kernel takes a moment to forget a thread that was joined, those of the first run too.
  for (int i = 0; i < 100 && NumEntries("/proc/self/task") > num_threads; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_LE(NumEntries("/proc/self/task"), num_threads);
}

}  // namespace
}  // namespace tandem
