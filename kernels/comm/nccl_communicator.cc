#include "kernels/comm/nccl_communicator.h"

#include <dlfcn.h>
#include <nccl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <thread>

#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

// The functions that are used, of a library that stays open: its threads may outlive us.
struct Nccl {
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRankConfig) comm_init_rank_config = nullptr;
  decltype(&ncclCommGetAsyncError) comm_get_async_error = nullptr;
  decltype(&ncclCommFinalize) comm_finalize = nullptr;
  decltype(&ncclCommDestroy) comm_destroy = nullptr;
  decltype(&ncclCommAbort) comm_abort = nullptr;
  decltype(&ncclGroupStart) group_start = nullptr;
  decltype(&ncclGroupEnd) group_end = nullptr;
  decltype(&ncclSend) send = nullptr;
  decltype(&ncclRecv) recv = nullptr;
  decltype(&ncclGetErrorString) get_error_string = nullptr;
};

template <typename Function>
void Resolve(void* library, const char* path, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw ConfigError(std::string(path) + " lacks " + name + ": NCCL 2.14 or newer is needed");
  }
}

Nccl Open(const char* path) {
  void* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    throw ConfigError(std::string("NCCL does not load (") + (reason == nullptr ? path : reason) +
                      "); install libnccl2, or use one GPU");
  }
  Nccl nccl;
  Resolve(library, path, "ncclGetUniqueId", nccl.get_unique_id);
  Resolve(library, path, "ncclCommInitRankConfig", nccl.comm_init_rank_config);
  Resolve(library, path, "ncclCommGetAsyncError", nccl.comm_get_async_error);
  Resolve(library, path, "ncclCommFinalize", nccl.comm_finalize);
  Resolve(library, path, "ncclCommDestroy", nccl.comm_destroy);
  Resolve(library, path, "ncclCommAbort", nccl.comm_abort);
  Resolve(library, path, "ncclGroupStart", nccl.group_start);
  Resolve(library, path, "ncclGroupEnd", nccl.group_end);
  Resolve(library, path, "ncclSend", nccl.send);
  Resolve(library, path, "ncclRecv", nccl.recv);
  Resolve(library, path, "ncclGetErrorString", nccl.get_error_string);
  return nccl;
}

// Asks often at first, then less so: neither NCCL nor a stream wakes anybody with a deadline.
class Poll {
 public:
  explicit Poll(std::chrono::milliseconds timeout) : deadline_(Clock::now() + timeout) {}
  // False when the time is over.
  bool Again() {
    if (Clock::now() >= deadline_) return false;
    if (++count_ < 10'000) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
  }

 private:
  Clock::time_point deadline_;
  int64_t count_ = 0;
};

// NCCL's communicator is made without blocking: a call that would wait for others says
// ncclInProgress, and one asks until it has ended or the time is over.
class NcclTransport : public DeviceTransport {
 public:
  NcclTransport(const Nccl& nccl, Device device, const RankSettings& settings,
                const ncclUniqueId& id)
      : nccl_(nccl), device_(device), settings_(settings) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const ncclResult_t result =
        nccl_.comm_init_rank_config(&comm_, settings.num_ranks, id, settings.rank, &config);
    try {
      if (!Settle(result)) {
        throw DeviceError(At() + "NCCL did not connect the ranks within " +
                          ToString(settings_.timeout));
      }
    } catch (const DeviceError&) {
      Leave();
      throw;
    }
  }

  ~NcclTransport() override {
    if (comm_ == nullptr) return;
    try {
      // What peers still receive is sent out first.
      if (Settle(nccl_.comm_finalize(comm_))) {
        nccl_.comm_destroy(std::exchange(comm_, nullptr));
      }
    } catch (const DeviceError&) {  // nobody is left to hear of it
    }
    Leave();
  }

  Device device() const override { return device_; }

  void Run(Context& context, const Exchange& exchange) override {
    CHECK(comm_ != nullptr);
    const auto stream = static_cast<cudaStream_t>(context.stream);
    Check(nccl_.group_start());
    for (const Outgoing& send : exchange.sends) {
      Check(nccl_.send(send.bytes, static_cast<size_t>(send.size_bytes), ncclUint8, send.peer,
                       comm_, stream));
      AddPeer(send.peer);
    }
    for (const Incoming& receive : exchange.receives) {
      Check(nccl_.recv(receive.bytes, static_cast<size_t>(receive.size_bytes), ncclUint8,
                       receive.peer, comm_, stream));
      AddPeer(receive.peer);
    }
    if (!Settle(nccl_.group_end())) ThrowTimeout(settings_, exchange.operation, peers_);
  }

  void Wait(Context& context, const Operation& operation) override {
    const DeviceMemoryFunctions& memory = DeviceMemoryOf(device_);
    Poll poll(settings_.timeout);
    while (!memory.is_idle(context)) {
      CheckComm();
      if (!poll.Again()) ThrowTimeout(settings_, operation, peers_);
    }
    CheckComm();
    peers_.clear();
  }

  void Leave() noexcept override {
    if (comm_ != nullptr) nccl_.comm_abort(std::exchange(comm_, nullptr));
  }

 private:
  std::string At() const {
    return "rank " + std::to_string(settings_.rank) + " of " + std::to_string(settings_.num_ranks) +
           ": ";
  }

  void Check(ncclResult_t result) const {
    if (result == ncclSuccess || result == ncclInProgress) return;
    throw DeviceError(At() + "NCCL failed: " + nccl_.get_error_string(result));
  }

  ncclResult_t CheckComm() const {
    ncclResult_t state = ncclSuccess;
    Check(nccl_.comm_get_async_error(comm_, &state));
    Check(state);
    return state;
  }

  // Whether what was begun has ended in time.
  bool Settle(ncclResult_t result) const {
    Check(result);
    if (comm_ == nullptr) throw DeviceError(At() + "NCCL gave no communicator");
    for (Poll poll(settings_.timeout); CheckComm() == ncclInProgress;) {
      if (!poll.Again()) return false;
    }
    return true;
  }

  void AddPeer(int peer) {
    if (std::ranges::find(peers_, peer) == peers_.end()) peers_.push_back(peer);
  }

  Nccl nccl_;
  Device device_;
  RankSettings settings_;
  ncclComm_t comm_ = nullptr;
  std::vector<int> peers_;  // of what was queued since the last Wait
};

// Throws on all ranks what went wrong on any.
void FailTogether(Communicator& communicator, const std::string& problem) {
  const std::vector<std::string> problems = communicator.AllGatherText(problem);
  for (size_t rank = 0; rank < problems.size(); ++rank) {
    if (!problems[rank].empty()) {
      throw ConfigError("rank " + std::to_string(rank) + ": " + problems[rank]);
    }
  }
}

}  // namespace

void AddNccl(Context& context, Communicator& communicator, const char* library) {
  std::optional<Nccl> nccl;
  std::string problem;
  ncclUniqueId id{};
  try {
    if (context.device.kind != DeviceKind::kCuda) throw ConfigError("NCCL is for GPUs");
    if (DeviceMemoryOf(context.device).is_idle == nullptr) {
      throw ConfigError("the CUDA backend cannot tell whether a stream is idle");
    }
    nccl = Open(library);
    if (communicator.rank() == 0) {
      const ncclResult_t result = nccl->get_unique_id(&id);
      if (result != ncclSuccess) throw DeviceError(nccl->get_error_string(result));
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  FailTogether(communicator, problem);
  const std::string id_bytes =
      communicator.BroadcastText({reinterpret_cast<const char*>(&id), sizeof(id)}, 0);
  CHECK(id_bytes.size() == sizeof(id), id_bytes.size());
  std::memcpy(&id, id_bytes.data(), sizeof(id));
  communicator.SetDeviceTransport(
      std::make_unique<NcclTransport>(*nccl, context.device, communicator.settings(), id));
}

}  // namespace tandem
