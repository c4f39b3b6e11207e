#include "kernels/comm/communicator.h"

#include <algorithm>
#include <utility>

#include "kernels/activation.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/quantize.h"

namespace tandem {
namespace {

constexpr int64_t kChunkElements = int64_t{1} << 21;  // summed at a time; bounds the scratch
constexpr int64_t kSmallBroadcastBytes = 64 << 10;    // that the root sends to all by itself
constexpr int64_t kMaxTextBytes = 64 << 20;

// The part of `num_elements` that rank `index` works on; boundaries keep 64-byte alignment.
Range PieceOf(int64_t num_elements, int index, int num_ranks) {
  return SplitRange(num_elements, index, num_ranks, 64);
}

template <typename View>
View Flat(View x) {
  return x.Reshaped(Shape{x.num_elements()});
}

TensorView Row(TensorView x, int64_t row) { return Flat(x.Rows(row, 1)); }

TensorView Take(WorkspaceScope& scratch, DType dtype, Shape shape, Device device) {
  return {scratch.Take<std::byte>(shape.num_elements() * SizeOf(dtype)), dtype, shape, device};
}

bool IsFloat(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBf16; }

void CheckSummable(const char* operation, ConstTensorView x) {
  const bool on_cpu = x.device() == kCpuDevice;
  const bool is_integer = x.dtype() == DType::kI32 || x.dtype() == DType::kI64;
  CHECK(IsFloat(x.dtype()) || (on_cpu && is_integer), operation, "of", Name(x.dtype()),
        "is not supported there");
}

template <typename T>
void AddIntegers(ConstTensorView from, TensorView to) {
  using Unsigned = std::make_unsigned_t<T>;  // wraps
  const T* x = from.data<T>();
  T* y = to.data<T>();
  for (int64_t i = 0; i < to.num_elements(); ++i) {
    y[i] = static_cast<T>(static_cast<Unsigned>(y[i]) + static_cast<Unsigned>(x[i]));
  }
}

void AddTo(Context& context, ConstTensorView from, TensorView to) {
  if (to.dtype() == DType::kI32) {
    AddIntegers<int32_t>(from, to);
  } else if (to.dtype() == DType::kI64) {
    AddIntegers<int64_t>(from, to);
  } else {
    Add(context, {.x = from, .y = to});
  }
}

// Row 0 of `leaves` [n, width] becomes the sum of its rows: the order of the whole folder.
void SumRowsInTree(Context& context, TensorView leaves) {
  const int64_t num_leaves = leaves.dim(0);
  for (int64_t step = 1; step < num_leaves; step *= 2) {
    for (int64_t i = 0; i + step < num_leaves; i += 2 * step) {
      AddTo(context, Row(leaves, i + step), Row(leaves, i));
    }
  }
}

// `leaves` [n, width] is scratch too; sum [width].
void SumInTree(Context& context, TensorView leaves, TensorView sum) {
  if (sum.num_elements() == 0) return;
  if (leaves.dtype() != DType::kBf16 || leaves.dim(0) == 1) {
    SumRowsInTree(context, leaves);
    Copy(context, Row(leaves, 0), sum);
    return;
  }
  WorkspaceScope scratch(context.workspace);
  const TensorView wide = Take(scratch, DType::kF32, leaves.shape(), leaves.device());
  Convert(context, {.x = leaves, .y = wide});
  SumRowsInTree(context, wide);
  Convert(context, {.x = Row(wide, 0), .y = sum});
}

std::string LineOf(std::string_view text, size_t line) {
  for (; line > 0 && !text.empty(); --line) {
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  return text.empty() ? "(nothing)" : '"' + std::string(text.substr(0, text.find('\n'))) + '"';
}

}  // namespace

Communicator::Communicator(std::unique_ptr<HostTransport> host) : host_(std::move(host)) {
  const RankSettings& settings = host_->settings();
  CHECK(settings.num_ranks > 0 && settings.rank >= 0 && settings.rank < settings.num_ranks,
        settings.rank, settings.num_ranks);
  CHECK(settings.timeout.count() > 0, settings.timeout.count());
}

Communicator::~Communicator() {
  device_.reset();
  host_->Leave("its work has ended");
}

// What an error leaves behind no later call may use: ranks may stand at different messages.
template <typename Body>
void Communicator::Guarded(Body&& body) {
  if (!failure_.empty()) {
    throw DeviceError("rank " + std::to_string(rank()) + " of " + std::to_string(num_ranks()) +
                      " takes part no more, after: " + failure_);
  }
  try {
    body();
  } catch (const std::exception& error) {
    failure_ = error.what();
    if (device_ != nullptr) device_->Leave();
    host_->Leave(failure_);
    throw;
  }
}

// All ranks are at this operation, or all throw.
void Communicator::Begin(Operation operation) {
  operation.sequence = num_operations_++;
  operation_ = operation;
  operations_.assign(static_cast<size_t>(num_ranks()), operation);
  if (num_ranks() == 1) return;
  sends_.clear();
  receives_.clear();
  for (int peer = 0; peer < num_ranks(); ++peer) {
    if (peer == rank()) continue;
    auto* theirs = reinterpret_cast<std::byte*>(&operations_[static_cast<size_t>(peer)]);
    sends_.push_back({peer, reinterpret_cast<const std::byte*>(&operation_), sizeof(Operation)});
    receives_.push_back({peer, theirs, sizeof(Operation)});
  }
  host_->Run({.sends = sends_, .receives = receives_, .operation = operation_});
  for (size_t peer = 1; peer < operations_.size(); ++peer) {
    if (operations_[0].FitsCollective(operations_[peer])) continue;
    throw InternalError("ranks disagree: rank 0 is at " + operations_[0].ToString() + ", rank " +
                        std::to_string(peer) + " at " + operations_[peer].ToString());
  }
}

void Communicator::BeginWithPeer(const Operation& operation) {
  operation_ = operation;
  const int peer = static_cast<int>(operation.argument);
  Operation theirs;
  const Outgoing send{peer, reinterpret_cast<const std::byte*>(&operation_), sizeof(Operation)};
  const Incoming receive{peer, reinterpret_cast<std::byte*>(&theirs), sizeof(Operation)};
  host_->Run({.sends = {&send, 1}, .receives = {&receive, 1}, .operation = operation_});
  if (operation.FitsPeer(rank(), theirs, peer)) return;
  throw InternalError("ranks disagree: rank " + std::to_string(rank()) + " is at " +
                      operation.ToString() + ", rank " + std::to_string(peer) + " at " +
                      theirs.ToString());
}

void Communicator::CheckOperand(const Context& context, ConstTensorView x) const {
  CHECK(x.device() == context.device, "an operand that is not of the context's device");
  if (x.device() == kCpuDevice || num_ranks() == 1) return;
  if (device_ == nullptr || device_->device() != x.device()) {
    throw DeviceError("rank " + std::to_string(rank()) +
                      " has no transport between devices: "
                      "give it one with AddNccl, or move tensors of the CPU");
  }
}

void Communicator::CheckRank(int other) const {
  CHECK(other >= 0 && other < num_ranks(), other, num_ranks());
}

void Communicator::AddSend(int peer, ConstTensorView x) {
  if (x.num_elements() > 0) sends_.push_back({peer, x.bytes(), x.size_bytes()});
}

void Communicator::AddReceive(int peer, TensorView x) {
  if (x.num_elements() > 0) receives_.push_back({peer, x.bytes(), x.size_bytes()});
}

void Communicator::Transfer(Context& context) {
  const Exchange exchange{.sends = sends_, .receives = receives_, .operation = operation_};
  if (!sends_.empty() || !receives_.empty()) {
    if (context.device == kCpuDevice) {
      host_->Run(exchange);
    } else {
      device_->Run(context, exchange);
    }
  }
  sends_.clear();
  receives_.clear();
}

void Communicator::Wait(Context& context) {
  if (context.device != kCpuDevice && num_ranks() > 1) device_->Wait(context, operation_);
}

void Communicator::Barrier() {
  Guarded([&] { Begin({.kind = OperationKind::kBarrier}); });
}

void Communicator::Broadcast(Context& context, TensorView x, int root) {
  Guarded([&] {
    CheckRank(root);
    CheckOperand(context, x);
    Begin(Operation::Of(OperationKind::kBroadcast, root, x));
    if (num_ranks() == 1) return;
    sends_.clear();
    receives_.clear();
    const TensorView all = Flat(x);
    const bool is_small = x.size_bytes() <= kSmallBroadcastBytes;
    // A large one leaves the root once: a piece for each rank, which passes it on.
    const auto share_of = [&](int peer) {
      const Range piece = PieceOf(all.dim(0), peer, num_ranks());
      return is_small ? all : all.Rows(piece.begin, piece.size());
    };
    if (rank() == root) {
      for (int peer = 0; peer < num_ranks(); ++peer) {
        if (peer != root) AddSend(peer, share_of(peer));
      }
    } else {
      AddReceive(root, share_of(rank()));
    }
    Transfer(context);
    if (!is_small) SharePieces(context, all, root);
    Wait(context);
  });
}

// x [n] is complete on every rank after each has sent its own piece to the others;
// complete_rank (or -1) already has all of it.
void Communicator::SharePieces(Context& context, TensorView x, int complete_rank) {
  const Range own = PieceOf(x.dim(0), rank(), num_ranks());
  for (int peer = 0; peer < num_ranks(); ++peer) {
    if (peer == rank()) continue;
    const Range theirs = PieceOf(x.dim(0), peer, num_ranks());
    if (peer != complete_rank) AddSend(peer, x.Rows(own.begin, own.size()));
    if (rank() != complete_rank) AddReceive(peer, x.Rows(theirs.begin, theirs.size()));
  }
  Transfer(context);
}

void Communicator::AllGather(Context& context, ConstTensorView x, TensorView all) {
  Guarded([&] {
    CheckOperand(context, x);
    CheckOperand(context, all);
    CHECK(all.dtype() == x.dtype() && all.num_elements() == num_ranks() * x.num_elements(),
          "AllGather of", Name(x.dtype()), x.shape(), "into", Name(all.dtype()), all.shape());
    Begin(Operation::Of(OperationKind::kAllGather, 0, x));
    const TensorView rows = all.Reshaped(Shape{num_ranks(), x.num_elements()});
    Copy(context, Flat(x), Row(rows, rank()));
    if (num_ranks() == 1) return;
    sends_.clear();
    receives_.clear();
    for (int peer = 0; peer < num_ranks(); ++peer) {
      if (peer == rank()) continue;
      AddSend(peer, x);
      AddReceive(peer, Row(rows, peer));
    }
    Transfer(context);
    Wait(context);
  });
}

void Communicator::AllReduceSum(Context& context, TensorView x, int num_contributors) {
  Guarded([&] {
    CheckOperand(context, x);
    CheckSummable("AllReduceSum", x);
    CHECK(num_contributors > 0 && num_contributors <= num_ranks(), num_contributors, num_ranks());
    Begin(Operation::Of(OperationKind::kAllReduceSum, num_contributors, x));
    if (num_ranks() == 1) return;
    sends_.clear();
    receives_.clear();
    const TensorView all = Flat(x);
    for (int64_t begin = 0; begin < all.dim(0); begin += kChunkElements) {
      const int64_t count = std::min(kChunkElements, all.dim(0) - begin);
      ReduceChunk(context, all.Rows(begin, count), num_contributors);
    }
    Wait(context);
  });
}

// x [n]. Every rank receives all terms of its own piece, sums them, and shares the sum.
void Communicator::ReduceChunk(Context& context, TensorView x, int num_contributors) {
  const Range own = PieceOf(x.dim(0), rank(), num_ranks());
  WorkspaceScope scratch(context.workspace);
  const TensorView leaves =
      Take(scratch, x.dtype(), Shape{num_contributors, own.size()}, x.device());
  for (int peer = 0; peer < num_ranks(); ++peer) {
    if (peer == rank()) continue;
    const Range theirs = PieceOf(x.dim(0), peer, num_ranks());
    if (rank() < num_contributors) AddSend(peer, x.Rows(theirs.begin, theirs.size()));
    if (peer < num_contributors) AddReceive(peer, Row(leaves, peer));
  }
  Transfer(context);
  const TensorView sum = x.Rows(own.begin, own.size());
  if (rank() < num_contributors) Copy(context, sum, Row(leaves, rank()));
  SumInTree(context, leaves, sum);
  SharePieces(context, x, -1);
}

void Communicator::ReduceScatterSum(Context& context, ConstTensorView x, TensorView share) {
  Guarded([&] {
    CheckOperand(context, x);
    CheckOperand(context, share);
    CheckSummable("ReduceScatterSum", x);
    CHECK(share.dtype() == x.dtype() && x.num_elements() == num_ranks() * share.num_elements(),
          "ReduceScatterSum of", Name(x.dtype()), x.shape(), "into", Name(share.dtype()),
          share.shape());
    Begin(Operation::Of(OperationKind::kReduceScatterSum, 0, x));
    const ConstTensorView all = Flat(x);
    const TensorView sum = Flat(share);
    if (num_ranks() == 1) return Copy(context, all, sum);
    sends_.clear();
    receives_.clear();
    const int64_t width = sum.dim(0), chunk = std::max<int64_t>(kChunkElements / num_ranks(), 1);
    for (int64_t begin = 0; begin < width; begin += chunk) {
      const int64_t count = std::min(chunk, width - begin);
      WorkspaceScope scratch(context.workspace);
      const TensorView leaves = Take(scratch, x.dtype(), Shape{num_ranks(), count}, x.device());
      for (int peer = 0; peer < num_ranks(); ++peer) {
        const ConstTensorView part = all.Rows(peer * width + begin, count);
        if (peer == rank()) {
          Copy(context, part, Row(leaves, peer));
        } else {
          AddSend(peer, part);
          AddReceive(peer, Row(leaves, peer));
        }
      }
      Transfer(context);
      SumInTree(context, leaves, sum.Rows(begin, count));
    }
    Wait(context);
  });
}

void Communicator::Send(Context& context, ConstTensorView x, int to) {
  Guarded([&] {
    CheckRank(to);
    CHECK(to != rank(), "a rank sends nothing to itself");
    CheckOperand(context, x);
    BeginWithPeer(Operation::Of(OperationKind::kSend, to, x));
    sends_.clear();
    receives_.clear();
    AddSend(to, x);
    Transfer(context);
    Wait(context);
  });
}

void Communicator::Receive(Context& context, TensorView x, int from) {
  Guarded([&] {
    CheckRank(from);
    CHECK(from != rank(), "a rank receives nothing from itself");
    CheckOperand(context, x);
    BeginWithPeer(Operation::Of(OperationKind::kReceive, from, x));
    sends_.clear();
    receives_.clear();
    AddReceive(from, x);
    Transfer(context);
    Wait(context);
  });
}

std::string Communicator::BroadcastText(std::string_view text, int root) {
  std::string result;
  Guarded([&] {
    CheckRank(root);
    const auto own_bytes = rank() == root ? static_cast<int64_t>(text.size()) : 0;
    CHECK(own_bytes <= kMaxTextBytes, own_bytes);
    Begin(Operation::OfText(OperationKind::kBroadcastText, root, own_bytes));
    const int64_t size_bytes = operations_[static_cast<size_t>(root)].dims[0];
    CHECK(size_bytes >= 0 && size_bytes <= kMaxTextBytes, size_bytes);
    result = rank() == root ? std::string(text) : std::string(static_cast<size_t>(size_bytes), 0);
    if (num_ranks() == 1 || size_bytes == 0) return;
    sends_.clear();
    receives_.clear();
    auto* bytes = reinterpret_cast<std::byte*>(result.data());
    for (int peer = 0; rank() == root && peer < num_ranks(); ++peer) {
      if (peer != root) sends_.push_back({peer, bytes, size_bytes});
    }
    if (rank() != root) receives_.push_back({root, bytes, size_bytes});
    host_->Run({.sends = sends_, .receives = receives_, .operation = operation_});
  });
  return result;
}

std::vector<std::string> Communicator::AllGatherText(std::string_view text) {
  std::vector<std::string> texts(static_cast<size_t>(num_ranks()));
  Guarded([&] {
    const auto own_bytes = static_cast<int64_t>(text.size());
    CHECK(own_bytes <= kMaxTextBytes, own_bytes);
    Begin(Operation::OfText(OperationKind::kAllGatherText, 0, own_bytes));
    sends_.clear();
    receives_.clear();
    for (int peer = 0; peer < num_ranks(); ++peer) {
      std::string& theirs = texts[static_cast<size_t>(peer)];
      if (peer == rank()) {
        theirs = text;
        continue;
      }
      const int64_t size_bytes = operations_[static_cast<size_t>(peer)].dims[0];
      CHECK(size_bytes >= 0 && size_bytes <= kMaxTextBytes, size_bytes);
      theirs.resize(static_cast<size_t>(size_bytes));
      auto* bytes = reinterpret_cast<std::byte*>(theirs.data());
      if (own_bytes > 0) {
        sends_.push_back({peer, reinterpret_cast<const std::byte*>(text.data()), own_bytes});
      }
      if (size_bytes > 0) receives_.push_back({peer, bytes, size_bytes});
    }
    if (!sends_.empty() || !receives_.empty()) {
      host_->Run({.sends = sends_, .receives = receives_, .operation = operation_});
    }
  });
  return texts;
}

void Communicator::CheckSame(std::string_view name, std::string_view text) {
  const std::vector<std::string> texts = AllGatherText(text);
  for (size_t other = 1; other < texts.size(); ++other) {
    if (texts[other] == texts[0]) continue;
    size_t line = 0;
    while (LineOf(texts[0], line) == LineOf(texts[other], line)) ++line;
    throw ConfigError("ranks have different " + std::string(name) + ": rank 0 has " +
                      LineOf(texts[0], line) + ", rank " + std::to_string(other) + " has " +
                      LineOf(texts[other], line) + "; start all ranks with the same");
  }
}

void Communicator::SetDeviceTransport(std::unique_ptr<DeviceTransport> transport) {
  device_ = std::move(transport);
}

}  // namespace tandem
