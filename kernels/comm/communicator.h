#pragma once
// Collectives: the ranks of a group (threads, processes, machines) each hold a Communicator and
// call the same operations in the same order; each returns when its own part is done.
//
//   auto group = MakeThreadCommunicators(...);         // ranks are threads of this process
//   auto one = MakeGlooCommunicator(...);              // ranks are processes, over TCP
//   AddNccl(context, *one);                            // device memory moves over NCCL
//
// Shapes. Operands are dense, of one shape and dtype on all ranks, and of context.device; memory of
// a device needs AddNccl. Data moves as bytes, so any dtype will do. Sums are of f32, of bf16
// (widened to f32, summed, rounded once to nearest even), and on the CPU of i32 and i64 (modulo
// 2^32 and 2^64).
//
// Order. A sum over ranks is one fixed binary tree: neighbours first (0 + 1, 2 + 3, ...), then
// pairs of neighbours, and so on; a last one without a neighbour moves up as it is. Of 7:
// ((0 + 1) + (2 + 3)) + ((4 + 5) + 6). It is the tree of GradientSum, and so: when every rank's
// operand is the sum of 2^k neighbouring leaves (the last contributing rank's of that many or
// fewer), the result has the bits of the tree over all leaves on one rank. Ranks exchange terms
// and add them with the op Add; no library's own reduction is used, so the bits do not depend
// on the transport. Where leaves do not suffice for all ranks, the last ones contribute nothing:
// a zero would not be neutral (-0 + 0 is 0).
//
// Cost. Every operation begins with an exchange of 72 bytes between all ranks, which tells whether
// they are at the same operation with the same operands. It is one round trip, all there is to a
// barrier; many small tensors are better sent as one. AllReduceSum then sends 2 (n - 1) / n of the
// operand from each of n ranks, a Broadcast of more than 64 KiB as much from its root and
// (n - 2) / n from the others. Scratch is up to 8 MiB for a sum, 12 for one of bf16.
//
// Waiting. No wait is longer than RankSettings::timeout. A rank that is gone is found at once where
// the transport sees it, else in that time: DeviceError, which names this rank, the peer, the
// operation and the timeout. Ranks that call different things all get an InternalError that says
// who is where. After any error a communicator is of no use: its peers fail too, soon, and
// every later call throws a DeviceError with the first reason. The results of a call that threw
// are undefined.
//
// Devices. What happens to memory of a device happens in the order of the context's stream; a call
// returns when it has happened on this rank (at once where there is one rank).
//
// Threads. A communicator belongs to one thread. Its destruction counts as leaving.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/comm/transport.h"
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

class Communicator {
 public:
  explicit Communicator(std::unique_ptr<HostTransport> host);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return host_->settings().rank; }
  int num_ranks() const { return host_->settings().num_ranks; }
  const RankSettings& settings() const { return host_->settings(); }

  // All ranks have come here.
  void Barrier();

  // The root's x into every rank's.
  void Broadcast(Context& context, TensorView x, int root);

  // Every rank's x into all[rank], on every rank; `all` has x's dtype and num_ranks times as many
  // elements. x may be its own place in `all`.
  void AllGather(Context& context, ConstTensorView x, TensorView all);

  // x of every rank becomes the sum of x over the first num_contributors ranks (all of them, if
  // not given), in the order above. What x of the other ranks holds does not matter.
  void AllReduceSum(Context& context, TensorView x, int num_contributors);
  void AllReduceSum(Context& context, TensorView x) { AllReduceSum(context, x, num_ranks()); }

  // share of rank r becomes the sum over all ranks of the r-th of num_ranks equal parts of x, with
  // the bits that AllReduceSum would give it.
  void ReduceScatterSum(Context& context, ConstTensorView x, TensorView share);

  // Between two ranks; the others do not take part.
  void Send(Context& context, ConstTensorView x, int to);
  void Receive(Context& context, TensorView x, int from);

  // The root's text; what others give is not looked at. Up to 64 MiB.
  std::string BroadcastText(std::string_view text, int root);
  // Every rank's text, by rank; lengths may differ. Up to 64 MiB each.
  std::vector<std::string> AllGatherText(std::string_view text);
  // For settings: every rank gives the same text, or all get a ConfigError that says which line of
  // `name` is another on which rank.
  void CheckSame(std::string_view name, std::string_view text);

  // From here on memory of its device moves through it; all ranks or none.
  void SetDeviceTransport(std::unique_ptr<DeviceTransport> transport);

 private:
  template <typename Body>
  void Guarded(Body&& body);
  void Begin(Operation operation);
  void BeginWithPeer(const Operation& operation);
  void CheckOperand(const Context& context, ConstTensorView x) const;
  void CheckRank(int rank) const;

  void AddSend(int peer, ConstTensorView x);
  void AddReceive(int peer, TensorView x);
  void Transfer(Context& context);  // what was added
  void Wait(Context& context);      // until the device is done too

  void SharePieces(Context& context, TensorView x, int complete_rank);
  void ReduceChunk(Context& context, TensorView x, int num_contributors);
  void ReduceOwn(Context& context, ConstTensorView own, TensorView sum, int num_contributors);

  std::unique_ptr<HostTransport> host_;
  std::unique_ptr<DeviceTransport> device_;
  Operation operation_;         // that is running
  int64_t num_operations_ = 0;  // collectives that have begun
  std::string failure_;         // why an operation failed; empty if none did
  // Of the operation that is running.
  std::vector<Operation> operations_;  // of every rank
  std::vector<Outgoing> sends_;
  std::vector<Incoming> receives_;
};

}  // namespace tandem
