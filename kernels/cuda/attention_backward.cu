// The gradients of attention, of whole sequences, without atomics: every sum has one owner and one
// order, from the sequence's own beginning.
//
// First a warp does a row: delta = dy . y, and on the way to tensor cores q and dy rounded to bf16;
// and a thread two dims of a key: keys and values from their pages into rows of head_dim. That
// moves each operand once, so that no block of keys or queries has to convert it again. Then dk and
// dv, and dq (attention_backward_tile.cuh; attention_backward_plain.cuh where tensor cores would
// round an f32 cache, or have no tile of that head_dim).

#include "kernels/cuda/attention_backward_plain.cuh"
#include "kernels/cuda/attention_backward_tile.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/launch.cuh"

namespace tandem::cuda {
namespace {

constexpr int kRowsPerBlock = 4;

template <typename Y>
struct RowsWork {
  const float* q;           // [rows, head_dim]
  const float* dy;          // the same
  const Y* y;               // the same
  const float* statistics;  // [rows, 2]
  float4* rows;             // [rows]: maximum, 1 / sum, delta
  __nv_bfloat16* q_bf16;    // [rows, head_dim], or null
  __nv_bfloat16* dy_bf16;   // the same
  int64_t num_rows;
  int64_t head_dim;
};

// Lanes sum every 32nd product ascending, then a butterfly.
template <typename Y>
__global__ void __launch_bounds__(kRowsPerBlock* kWarp) PrepareRowsKernel(RowsWork<Y> work) {
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= work.num_rows) return;  // whole warps, and nobody meets at a barrier
  float delta = 0.0f;
  for (int64_t d = threadIdx.x % kWarp; d < work.head_dim; d += kWarp) {
    const int64_t at = row * work.head_dim + d;
    delta += work.dy[at] * ToFloat(work.y[at]);
    if (work.q_bf16 == nullptr) continue;
    work.q_bf16[at] = FromFloat<__nv_bfloat16>(work.q[at]);
    work.dy_bf16[at] = FromFloat<__nv_bfloat16>(work.dy[at]);
  }
  delta = WarpSum(delta);
  if (threadIdx.x % kWarp != 0) return;
  work.rows[row] = {work.statistics[2 * row], __fdiv_rn(1.0f, work.statistics[2 * row + 1]), delta,
                    0.0f};
}

// Two dims of a token's key and value.
struct GatherBody {
  PagedBatch batch;
  uint32_t* k;  // [tokens, num_kv_heads, head_dim / 2]: pairs of dims
  uint32_t* v;  // the same

  __device__ void operator()(int64_t i) const {
    using Index = PageIndex<__nv_bfloat16>;
    const int pairs = batch.head_dim / 2;
    const int d = static_cast<int>(i % pairs) * 2;
    const int kv_head = static_cast<int>(i / pairs % batch.num_kv_heads);
    const int64_t token = i / pairs / batch.num_kv_heads;
    const int sequence = FindSequence(batch, token);
    const auto position = static_cast<int>(token - batch.cu_seqlens[sequence]);
    const int slot = position % kPageTokens;
    const auto* const head =
        reinterpret_cast<const uint16_t*>(batch.Head(sequence, position / kPageTokens, kv_head));
    const auto pair = [&](int first, int second) {
      return uint32_t{head[first]} | uint32_t{head[second]} << 16;
    };
    k[i] = pair(Index::Key(slot, d), Index::Key(slot, d + 1));
    v[i] = pair(Index::Value(slot, d, batch.head_dim), Index::Value(slot, d + 1, batch.head_dim));
  }
};

template <int kDim>
void LaunchTiles(Context& context, const TileBackwardWork& work, int64_t num_tokens) {
  const auto tiles = static_cast<unsigned>(num_tokens / kBlockRows + work.batch.num_seqs);
  const auto heads = static_cast<unsigned>(work.num_heads);
  const auto kv_heads = static_cast<unsigned>(work.batch.num_kv_heads);
  Launch("attention_backward_keys", {{tiles, kv_heads}, kTileThreads, sizeof(KeysShared<kDim>)},
         context.stream, KeysKernel<kDim>, work);
  Launch("attention_backward_queries", {{tiles, heads}, kTileThreads, sizeof(QueriesShared<kDim>)},
         context.stream, QueriesKernel<kDim>, work);
}

void LaunchTiles(Context& context, const TileBackwardWork& work, int64_t num_tokens) {
  switch (work.batch.head_dim) {
    case 64:
      return LaunchTiles<64>(context, work, num_tokens);
    case 80:
      return LaunchTiles<80>(context, work, num_tokens);
    case 96:
      return LaunchTiles<96>(context, work, num_tokens);
    default:
      return LaunchTiles<128>(context, work, num_tokens);
  }
}

template <typename Y>
void PrepareRows(Context& context, const AttentionBackwardArgs& args, float4* rows,
                 __nv_bfloat16* q_bf16, __nv_bfloat16* dy_bf16) {
  const RowsWork<Y> work{.q = args.q.data<float>(),
                         .dy = args.dy.data<float>(),
                         .y = reinterpret_cast<const Y*>(args.y.bytes()),
                         .statistics = args.statistics.data<float>(),
                         .rows = rows,
                         .q_bf16 = q_bf16,
                         .dy_bf16 = dy_bf16,
                         .num_rows = args.q.dim(0) * args.q.dim(1),
                         .head_dim = args.q.dim(2)};
  Launch("attention_backward_rows",
         {NumBlocks(work.num_rows, kRowsPerBlock), kRowsPerBlock * kWarp}, context.stream,
         PrepareRowsKernel<Y>, work);
}

void PrepareRows(Context& context, const AttentionBackwardArgs& args, float4* rows,
                 __nv_bfloat16* q_bf16, __nv_bfloat16* dy_bf16) {
  if (args.y.dtype() == DType::kF32) {
    return PrepareRows<float>(context, args, rows, q_bf16, dy_bf16);
  }
  PrepareRows<__nv_bfloat16>(context, args, rows, q_bf16, dy_bf16);
}

void RunTiles(Context& context, const AttentionBackwardArgs& args, float4* rows,
              WorkspaceScope& scratch) {
  auto* const q = scratch.Take<__nv_bfloat16>(args.q.num_elements());
  auto* const dy = scratch.Take<__nv_bfloat16>(args.q.num_elements());
  auto* const k = scratch.Take<__nv_bfloat16>(args.dk.num_elements());
  auto* const v = scratch.Take<__nv_bfloat16>(args.dk.num_elements());
  const TileBackwardWork work{.batch = PagedBatchOf(args.batch, args.pool, args.layer),
                              .q = q,
                              .dy = dy,
                              .k = k,
                              .v = v,
                              .rows = rows,
                              .dq = args.dq.data<float>(),
                              .dk = args.dk.data<float>(),
                              .dv = args.dv.data<float>(),
                              .num_heads = static_cast<int>(args.q.dim(1)),
                              .scale = args.scale,
                              .window = args.window};
  PrepareRows(context, args, rows, q, dy);
  ForEach("attention_backward_gather", context.stream, args.dk.num_elements() / 2,
          GatherBody{work.batch, reinterpret_cast<uint32_t*>(k), reinterpret_cast<uint32_t*>(v)});
  LaunchTiles(context, work, args.q.dim(0));
}

void RunPlain(Context& context, const AttentionBackwardArgs& args, float4* rows) {
  CheckPlainDim(args.q.dim(2));
  const PlainBackwardWork work{.batch = PagedBatchOf(args.batch, args.pool, args.layer),
                               .q = args.q.data<float>(),
                               .dy = args.dy.data<float>(),
                               .rows = rows,
                               .dq = args.dq.data<float>(),
                               .dk = args.dk.data<float>(),
                               .dv = args.dv.data<float>(),
                               .num_tokens = args.q.dim(0),
                               .num_heads = static_cast<int>(args.q.dim(1)),
                               .scale = args.scale,
                               .window = args.window,
                               .mask = {}};
  PrepareRows(context, args, rows, nullptr, nullptr);
  if (args.pool.layout().dtype == DType::kF32) {
    return LaunchPlainBackward<float, false>(context, work);
  }
  LaunchPlainBackward<__nv_bfloat16, false>(context, work);
}

}  // namespace

void AttentionBackward(Context& context, const AttentionBackwardArgs& args) {
  if (args.q.num_elements() == 0) return;
  WorkspaceScope scratch(context.workspace);
  auto* const rows = scratch.Take<float4>(args.q.dim(0) * args.q.dim(1));
  if (HasTile(args.pool.layout())) return RunTiles(context, args, rows, scratch);
  RunPlain(context, args, rows);
}

}  // namespace tandem::cuda
