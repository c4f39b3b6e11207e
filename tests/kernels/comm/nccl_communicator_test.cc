// Device memory between ranks, over a NCCL that is not there: fake_nccl.cc stands in for it, and
// threads for streams. tests/kernels/comm/nccl_gpu_test.cc has the real ones.

#include "kernels/comm/nccl_communicator.h"

#include <cstdlib>

#include "kernels/activation.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/device_ops.h"
#include "kernels/quantize.h"
#include "tests/kernels/comm/fake_stream.h"
#include "tests/kernels/comm/ranks.h"
#include "tests/kernels/comm/values.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

FakeStream& StreamOf(const Context& context) { return *static_cast<FakeStream*>(context.stream); }

// Communicators copy within a device only.
void FakeCopy(const Context& context, void* to, const void* from, int64_t size_bytes) {
  StreamOf(context).Enqueue([=] { std::memcpy(to, from, static_cast<size_t>(size_bytes)); });
}

void FakeAdd(Context& context, const AddArgs& args) {
  StreamOf(context).Enqueue([args] {
    for (int64_t i = 0; i < args.y.num_elements(); ++i) {
      args.y.data<float>()[i] += args.x.data<float>()[i];
    }
  });
}

void FakeConvert(Context& context, const ConvertArgs& args) {
  StreamOf(context).Enqueue([args] {
    for (int64_t i = 0; i < args.y.num_elements(); ++i) {
      if (args.x.dtype() == DType::kBf16) {
        args.y.data<float>()[i] = static_cast<float>(args.x.data<BFloat16>()[i]);
      } else {
        args.y.data<BFloat16>()[i] = BFloat16(args.x.data<float>()[i]);
      }
    }
  });
}

class NcclCommunicator : public ::testing::TestWithParam<int> {
 protected:
  static constexpr DeviceMemoryFunctions kMemory{
      .num_devices = [] { return 8; },
      .allocate =
          [](int, int64_t size_bytes) { return std::calloc(1, static_cast<size_t>(size_bytes)); },
      .release = [](int, void* memory) noexcept { std::free(memory); },
      .copy = FakeCopy,
      .synchronize = [](const Context& context) { StreamOf(context).Drain(); },
      .is_idle = [](const Context& context) { return StreamOf(context).IsIdle(); }};

  void SetUp() override {
    SetDeviceMemory(DeviceKind::kCuda, kMemory);
    SetDeviceOps(DeviceKind::kCuda, {.add = FakeAdd, .convert = FakeConvert});
  }
  void TearDown() override {
    SetDeviceMemory(DeviceKind::kCuda, {});
    SetDeviceOps(DeviceKind::kCuda, {});
  }

  // The body on each rank, whose context is of a device of its own.
  static void Run(const RankBody& body, int num_ranks = GetParam(),
                  std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    RunRanks({RanksAre::kThreads, num_ranks, timeout}, [&](Rank& rank) {
      FakeStream stream;
      Context context{.pool = rank.context.pool,
                      .device = {DeviceKind::kCuda, rank->rank()},
                      .stream = &stream,
                      .workspace = rank.context.workspace};
      Rank on_device{std::move(rank.communicator), context};
      body(on_device);
    });
  }
  static void RunWithNccl(const RankBody& body) {
    Run([&](Rank& rank) {
      AddNccl(rank.context, *rank, TANDEM_FAKE_NCCL);
      body(rank);
    });
  }
};

template <typename T>
TensorView View(const Rank& rank, std::vector<T>& values) {
  return {reinterpret_cast<std::byte*>(values.data()), kDTypeOf<T>,
          Shape{static_cast<int64_t>(values.size())}, rank.context.device};
}

template <typename T>
void ExpectSums(Rank& rank, int64_t size) {
  const int num_ranks = rank->num_ranks();
  std::vector<T> x = Values<T>(rank->rank(), size);
  rank->AllReduceSum(rank.context, View(rank, x));
  EXPECT_TRUE(SameBits(x, TreeSums<T>(0, num_ranks, size))) << size;
  std::vector<T> parts = Values<T>(rank->rank(), size * num_ranks),
                 share(static_cast<size_t>(size));
  rank->ReduceScatterSum(rank.context, View(rank, parts), View(rank, share));
  Synchronize(rank.context);
  const std::vector<T> sums = TreeSums<T>(0, num_ranks, size * num_ranks);
  const auto begin = sums.begin() + rank->rank() * size;
  EXPECT_TRUE(SameBits(share, std::vector<T>(begin, begin + size))) << size;
}

TEST_P(NcclCommunicator, SumsHaveTheBitsOfTheOtherTransports) {
  RunWithNccl([](Rank& rank) {
    for (const int64_t size : {0, 1, 65, 1009, 100'003}) {
      ExpectSums<float>(rank, size);
      ExpectSums<BFloat16>(rank, size);
    }
    ExpectSums<float>(rank, (int64_t{1} << 21) + 3);  // more than a chunk
  });
}

TEST_P(NcclCommunicator, MovesBytes) {
  RunWithNccl([](Rank& rank) {
    const int num_ranks = rank->num_ranks();
    for (const int64_t size : {0, 1, 1009, 100'003}) {
      for (int root = 0; root < num_ranks; ++root) {
        std::vector<int32_t> x = Values<int32_t>(rank->rank(), size);
        rank->Broadcast(rank.context, View(rank, x), root);
        EXPECT_EQ(x, Values<int32_t>(root, size));
      }
      std::vector<uint8_t> own = Values<uint8_t>(rank->rank(), size), expected;
      for (int peer = 0; peer < num_ranks; ++peer) {
        const std::vector<uint8_t> theirs = Values<uint8_t>(peer, size);
        expected.insert(expected.end(), theirs.begin(), theirs.end());
      }
      std::vector<uint8_t> all(expected.size());
      rank->AllGather(rank.context, View(rank, own), View(rank, all));
      Synchronize(rank.context);
      EXPECT_EQ(all, expected);
      if (num_ranks > 1 && rank->rank() == 0) rank->Send(rank.context, View(rank, own), 1);
      if (rank->rank() == 1) {
        rank->Receive(rank.context, View(rank, own), 0);
        EXPECT_EQ(own, Values<uint8_t>(0, size));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, NcclCommunicator, ::testing::Values(1, 2, 3, 4));

class NcclFailure : public NcclCommunicator {};

TEST_F(NcclFailure, NoLibraryIsSaidOnAllRanks) {
  Run(
      [](Rank& rank) {
        const char* library = rank->rank() == 1 ? "/nowhere/libnccl.so.2" : TANDEM_FAKE_NCCL;
        const std::string error =
            MessageOf<ConfigError>([&] { AddNccl(rank.context, *rank, library); });
        EXPECT_TRUE(Contains(error, "rank 1: NCCL does not load (/nowhere/libnccl.so.2"));
        rank->Barrier();
      },
      3);
}

TEST_F(NcclFailure, ALibraryThatIsNotNcclIsRefused) {
  Run(
      [](Rank& rank) {
        const std::string error =
            MessageOf<ConfigError>([&] { AddNccl(rank.context, *rank, "libc.so.6"); });
        EXPECT_TRUE(Contains(error, "libc.so.6 lacks ncclGetUniqueId"));
      },
      2);
}

TEST_F(NcclFailure, DeviceMemoryNeedsATransport) {
  Run(
      [](Rank& rank) {
        std::vector<float> x(4);
        const std::string error =
            MessageOf<DeviceError>([&] { rank->AllReduceSum(rank.context, View(rank, x)); });
        EXPECT_TRUE(Contains(error, "has no transport between devices: give it one with AddNccl"));
      },
      2);
}

TEST_F(NcclFailure, AStreamThatDoesNotEndIsAbortedInTime) {
  Run(
      [](Rank& rank) {
        AddNccl(rank.context, *rank, TANDEM_FAKE_NCCL);
        std::vector<float> x(1000);
        std::mutex stuck;
        std::unique_lock lock(stuck);
        // A kernel of rank 1 that hangs: it comes to the operation, but sends nothing.
        if (rank->rank() == 1) {
          StreamOf(rank.context).Enqueue([&] { const std::lock_guard wait(stuck); });
        }
        const std::string error =
            MessageOf<DeviceError>([&] { rank->AllReduceSum(rank.context, View(rank, x)); });
        EXPECT_TRUE(Contains(error, "AllReduceSum of f32 [1000] of 2 ranks"));
        EXPECT_TRUE(Contains(error, "did not come within 1 s"));
        lock.unlock();
        StreamOf(rank.context).Drain();
      },
      2, std::chrono::seconds(1));
}

}  // namespace
}  // namespace tandem
