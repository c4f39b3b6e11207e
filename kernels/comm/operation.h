#pragma once
// One operation of a communicator as ranks tell each other before they move data: what, with what
// operands. Plain words of 64 bits, which travel as they are between ranks of one program.

#include <cstdint>
#include <string>

#include "kernels/core/tensor.h"

namespace tandem {

enum class OperationKind : int64_t {
  kBarrier,
  kBroadcast,
  kAllGather,
  kAllReduceSum,
  kReduceScatterSum,
  kSend,
  kReceive,
  kBroadcastText,
  kAllGatherText,
};

struct Operation {
  OperationKind kind = OperationKind::kBarrier;
  int64_t sequence = 0;  // collectives before it; 0 for kSend and kReceive
  // kBroadcast, kBroadcastText: the root. kSend, kReceive: the other rank. kAllReduceSum: how many
  // ranks contribute.
  int64_t argument = 0;
  int64_t dtype = 0;  // of operands; 0 where there are none
  int64_t num_dims = 0;
  int64_t dims[Shape::kMaxRank] = {};  // of a text: its bytes, in which ranks may differ

  static Operation Of(OperationKind kind, int64_t argument, ConstTensorView x);
  static Operation OfText(OperationKind kind, int64_t argument, int64_t size_bytes);

  // Whether two ranks may run these together.
  bool FitsCollective(const Operation& other) const;
  // Whether `rank` may do this while `other_rank` does the other: send and receive.
  bool FitsPeer(int rank, const Operation& other, int other_rank) const;

  // "AllReduceSum of f32 [3, 4] from 2 ranks (operation 17)"
  std::string ToString() const;
};

}  // namespace tandem
