#include "kernels/comm/operation.h"

#include <algorithm>

namespace tandem {
namespace {

std::string NameOf(OperationKind kind) {
  switch (kind) {
    case OperationKind::kBarrier:
      return "Barrier";
    case OperationKind::kBroadcast:
      return "Broadcast";
    case OperationKind::kAllGather:
      return "AllGather";
    case OperationKind::kAllReduceSum:
      return "AllReduceSum";
    case OperationKind::kReduceScatterSum:
      return "ReduceScatterSum";
    case OperationKind::kSend:
      return "Send";
    case OperationKind::kReceive:
      return "Receive";
    case OperationKind::kBroadcastText:
      return "BroadcastText";
    case OperationKind::kAllGatherText:
      return "AllGatherText";
  }
  return "an unknown operation";
}

bool IsText(OperationKind kind) {
  return kind == OperationKind::kBroadcastText || kind == OperationKind::kAllGatherText;
}

bool SameOperands(const Operation& a, const Operation& b) {
  return a.dtype == b.dtype && a.num_dims == b.num_dims && std::ranges::equal(a.dims, b.dims);
}

}  // namespace

Operation Operation::Of(OperationKind kind, int64_t argument, ConstTensorView x) {
  Operation operation{.kind = kind,
                      .argument = argument,
                      .dtype = static_cast<int64_t>(x.dtype()),
                      .num_dims = x.shape().rank()};
  for (int axis = 0; axis < x.shape().rank(); ++axis) operation.dims[axis] = x.dim(axis);
  return operation;
}

Operation Operation::OfText(OperationKind kind, int64_t argument, int64_t size_bytes) {
  return {.kind = kind, .argument = argument, .num_dims = 1, .dims = {size_bytes}};
}

bool Operation::FitsCollective(const Operation& other) const {
  return kind == other.kind && sequence == other.sequence && argument == other.argument &&
         (IsText(kind) || SameOperands(*this, other));
}

bool Operation::FitsPeer(int rank, const Operation& other, int other_rank) const {
  const bool opposite = (kind == OperationKind::kSend && other.kind == OperationKind::kReceive) ||
                        (kind == OperationKind::kReceive && other.kind == OperationKind::kSend);
  return opposite && argument == other_rank && other.argument == rank && SameOperands(*this, other);
}

std::string Operation::ToString() const {
  std::string text = NameOf(kind);
  if (IsText(kind)) {
    text += " of " + std::to_string(dims[0]) + " bytes";
  } else if (kind != OperationKind::kBarrier) {
    // What another rank sent is printed even where it makes no sense.
    const bool known = dtype >= 0 && dtype <= static_cast<int64_t>(DType::kI64);
    text += " of " + (known ? std::string(Name(static_cast<DType>(dtype))) : "no dtype") + " [";
    for (int64_t axis = 0; axis < std::clamp<int64_t>(num_dims, 0, Shape::kMaxRank); ++axis) {
      text += (axis > 0 ? ", " : "") + std::to_string(dims[axis]);
    }
    text += "]";
  }
  const std::string number = std::to_string(argument);
  if (kind == OperationKind::kBroadcast || kind == OperationKind::kBroadcastText ||
      kind == OperationKind::kReceive) {
    text += " from rank " + number;
  } else if (kind == OperationKind::kSend) {
    text += " to rank " + number;
  } else if (kind == OperationKind::kAllReduceSum) {
    text += " of " + number + (argument == 1 ? " rank" : " ranks");
  }
  if (kind != OperationKind::kSend && kind != OperationKind::kReceive) {
    text += " (operation " + std::to_string(sequence) + ")";
  }
  return text;
}

}  // namespace tandem
