// A libnccl.so.2 whose ranks are threads of one process, devices host memory and streams
// FakeStreams: what nccl_communicator.cc uses, as NCCL's header describes it for communicators that
// do not block.

#include <nccl.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/kernels/comm/fake_stream.h"

namespace {

// What the ranks of one id share.
struct Shared {
  std::mutex mutex;
  std::condition_variable changed;
  int num_joined = 0;
  std::set<int> aborted;                                            // ranks
  std::map<std::pair<int, int>, std::deque<std::string>> messages;  // by sender and receiver
};

struct Transfer {
  std::shared_ptr<Shared> shared;
  int from;
  int to;
  bool is_send;
  void* memory;
  size_t size_bytes;
  tandem::FakeStream* stream;

  void Run() const {
    std::unique_lock lock(shared->mutex);
    std::deque<std::string>& box = shared->messages[{from, to}];
    if (is_send) {
      box.emplace_back(static_cast<const char*>(memory), size_bytes);
      shared->changed.notify_all();
      return;
    }
    shared->changed.wait(lock, [&] { return !box.empty() || shared->aborted.contains(to); });
    if (box.empty()) return;
    // NCCL would write past the end, or leave a part as it was.
    std::memset(memory, 0x55, size_bytes);
    std::memcpy(memory, box.front().data(), std::min(size_bytes, box.front().size()));
    box.pop_front();
  }
};

thread_local std::vector<Transfer> group;
thread_local int group_depth = 0;

std::mutex ids_mutex;
std::map<std::string, std::shared_ptr<Shared>> ids;

}  // namespace

struct ncclComm {
  std::shared_ptr<Shared> shared;
  int rank;
  int num_ranks;
};

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> count = 0;
  std::memset(id, 0, sizeof(*id));
  const std::string text = "fake " + std::to_string(count++);
  std::memcpy(id->internal, text.data(), text.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int num_ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config->blocking != 0) return ncclInvalidUsage;
  const std::lock_guard lock(ids_mutex);
  std::shared_ptr<Shared>& shared = ids[id.internal];
  if (shared == nullptr) shared = std::make_shared<Shared>();
  const std::lock_guard shared_lock(shared->mutex);
  ++shared->num_joined;
  *comm = new ncclComm{shared, rank, num_ranks};
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  const std::lock_guard lock(comm->shared->mutex);
  *state = comm->shared->num_joined < comm->num_ranks ? ncclInProgress : ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t) { return ncclInProgress; }

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  {
    const std::lock_guard lock(comm->shared->mutex);
    comm->shared->aborted.insert(comm->rank);
    comm->shared->changed.notify_all();
  }
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group_depth-- != 1 || group.empty()) return ncclInvalidUsage;
  // All of a group run at once, so sends do not wait for receives.
  std::ranges::stable_partition(group, [](const Transfer& transfer) { return transfer.is_send; });
  group.front().stream->Enqueue([transfers = std::exchange(group, {})] {
    for (const Transfer& transfer : transfers) transfer.Run();
  });
  return ncclInProgress;
}

ncclResult_t ncclSend(const void* memory, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  if (group_depth != 1 || type != ncclUint8 || peer == comm->rank) return ncclInvalidArgument;
  group.push_back({comm->shared, comm->rank, peer, true, const_cast<void*>(memory), count,
                   reinterpret_cast<tandem::FakeStream*>(stream)});
  return ncclSuccess;
}

ncclResult_t ncclRecv(void* memory, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (group_depth != 1 || type != ncclUint8 || peer == comm->rank) return ncclInvalidArgument;
  group.push_back({comm->shared, peer, comm->rank, false, memory, count,
                   reinterpret_cast<tandem::FakeStream*>(stream)});
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclSuccess ? "no error" : "an error of the fake";
}

}  // extern "C"
