#pragma once
// The backward of attention on tensor cores: two kernels over blocks of 64 keys and 64 queries,
// which compute scores and probabilities anew.
//
//   KeysKernel owns a block of keys, of a sequence and kv head; each of four warps 16 of them. With
//   query heads ascending, then query blocks ascending:
//     scores^T [k, q] = k q^T,  dp^T [k, q] = v dy^T,  dv [k, d] += p^T dy,  dk [k, d] += ds^T q
//   QueriesKernel owns a block of queries of a head. With key blocks ascending:
//     scores [q, k] = q k^T,  dp [q, k] = dy v^T,  dq [q, d] += ds k
//
// Scores are made as the left operand of the next product wants them: registers of the one are
// registers of the other. All operands lie in rows of head_dim, so that ldmatrix makes every right
// operand, turned over or not. The scores of a pair of blocks are computed twice, once in each
// kernel: seven products instead of five, for sums that no two blocks share and that have one
// order.
//
// Bound by tensor cores: a step does 8 * 64 * 64 * head_dim operations in the one kernel and 6 * 64 *
// 64 * head_dim in the other on 256 head_dim bytes, which come while the step before is multiplied.
// Two blocks fit on a multiprocessor of sm_90: 187 to 253 registers a thread for keys (head_dim 64 to
// 128), 144 to 217 for queries, without spills, and 768 head_dim bytes of shared memory and a little.

#include <cuda_bf16.h>

#include "kernels/cuda/attention_tile.cuh"
#include "kernels/cuda/attention_work.cuh"

namespace tandem::cuda {

inline constexpr int kBlockRows = 64;  // keys or queries
inline constexpr int kChunk = 16;      // of them, as deep as a product of tiles goes

// Operands in rows of head_dim, as the preparation left them.
struct TileBackwardWork {
  PagedBatch batch;
  const __nv_bfloat16* q;   // [tokens, num_heads, head_dim]
  const __nv_bfloat16* dy;  // the same
  const __nv_bfloat16* k;   // [tokens, num_kv_heads, head_dim]
  const __nv_bfloat16* v;   // the same
  const float4* rows;       // [tokens, num_heads]: maximum, 1 / sum, delta
  float* dq;                // [tokens, num_heads, head_dim]
  float* dk;                // [tokens, num_kv_heads, head_dim]
  float* dv;                // the same
  int num_heads;
  float scale;
  int64_t window;  // 0: all

  __device__ int group() const { return num_heads / batch.num_kv_heads; }
};

// Rows lie 16 bytes more apart than they are long: eight of them meet no bank twice.
template <int kDim>
struct BlockRows {
  alignas(16) __nv_bfloat16 at[kBlockRows][kDim + 8];
};

// Rows [0, count) of 64, `stride` elements apart; zeros past them.
template <int kDim>
__device__ __forceinline__ void FetchRows(const __nv_bfloat16* from, int64_t stride, int count,
                                          BlockRows<kDim>& to) {
  constexpr int kChunks = kDim / 8;
  for (int i = static_cast<int>(threadIdx.x); i < kBlockRows * kChunks; i += kTileThreads) {
    const int row = i / kChunks;
    const int at = i % kChunks * 8;
    const bool is_there = row < count;
    CopyAsync16(&to.at[row][at], from + (is_there ? row * stride + at : 0), is_there ? 16 : 0);
  }
}

// A left operand: 16 rows from `row` on, 16 columns from `column` on. Turned over, it is a right
// operand: 16 deep, two tiles of 8 columns.
template <int kDim>
__device__ __forceinline__ const void* FragmentRow(const BlockRows<kDim>& rows, int row,
                                                   int column) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  return &rows.at[row + lane % 16][column + lane / 16 * 8];
}

// 16 rows as a left operand: in registers, or loaded again for each use.
template <int kDim, bool kHeld>
struct LeftRows {
  const BlockRows<kDim>& rows;
  int first;
  uint32_t held[kHeld ? kDim / 16 : 1][4];

  __device__ LeftRows(const BlockRows<kDim>& block, int first_row)
      : rows(block), first(first_row) {}
  __device__ void Load() {
    if constexpr (kHeld) {
#pragma unroll
      for (int k = 0; k < kDim / 16; ++k) LoadMatrix4(held[k], FragmentRow(rows, first, 16 * k));
    }
  }
  __device__ const uint32_t (&Fragment(int k))[4] {
    if constexpr (kHeld) {
      return held[k];
    } else {
      LoadMatrix4(held[0], FragmentRow(rows, first, 16 * k));
      return held[0];
    }
  }
};

// c += a b^T: b has the rows from `first` on, of which 16 are columns of c.
template <int kDim, bool kHeld>
__device__ __forceinline__ void MultiplyByRows(LeftRows<kDim, kHeld>& a, const BlockRows<kDim>& b,
                                               int first, float (&c)[2][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int row = first + lane / 16 * 8 + lane % 8;
  const int column = lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < kDim / 16; ++k) {
    const uint32_t(&left)[4] = a.Fragment(k);
    uint32_t fragments[4];
    LoadMatrix4(fragments, &b.at[row][16 * k + column]);
    MultiplyAdd(Bf16Elements(), c[0], left, {fragments[0], fragments[1]});
    MultiplyAdd(Bf16Elements(), c[1], left, {fragments[2], fragments[3]});
  }
}

// sums [16, kDim] += a b: a is [16, 16] in f32, rounded here; b the 16 rows from `first` on.
template <int kDim>
__device__ __forceinline__ void AddProduct(const float (&a)[2][4], const BlockRows<kDim>& b,
                                           int first, float (&sums)[kDim / 8][4]) {
  const uint32_t rounded[4] = {PackBf16(a[0][0], a[0][1]), PackBf16(a[0][2], a[0][3]),
                               PackBf16(a[1][0], a[1][1]), PackBf16(a[1][2], a[1][3])};
#pragma unroll
  for (int j = 0; j < kDim / 16; ++j) {
    uint32_t fragments[4];
    LoadMatrix4Transposed(fragments, FragmentRow(b, first, 16 * j));
    MultiplyAdd(Bf16Elements(), sums[2 * j], rounded, {fragments[0], fragments[1]});
    MultiplyAdd(Bf16Elements(), sums[2 * j + 1], rounded, {fragments[2], fragments[3]});
  }
}

// A score becomes a probability and dy . v the score's gradient; zero where the key is not seen.
__device__ __forceinline__ void Differentiate(const float4& row, float scale, bool is_seen,
                                              float& score, float& dp) {
  const float p = is_seen ? Exp(score * scale - row.x) * row.y : 0.0f;
  score = p;
  dp = is_seen ? p * (dp - row.z) * scale : 0.0f;
}

// Rows lane / 4 and lane / 4 + 8 from `first` on, where there are so many.
template <int kDim>
__device__ __forceinline__ void WriteRows(const float (&sums)[kDim / 8][4], int first, int count,
                                          float* to, int64_t stride) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = first + lane / 4 + 8 * r;
    if (row >= count) continue;
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      auto* const at = reinterpret_cast<float2*>(to + row * stride + 8 * j + lane % 4 * 2);
      *at = {sums[j][2 * r], sums[j][2 * r + 1]};
    }
  }
}

// Which pairs of 16 keys and 16 queries have one that sees the other. Positions in the sequence.
struct Sight {
  int length;
  int64_t window;

  __device__ bool Sees(int query, int key) const {
    return query < length && key <= query && (window == 0 || key > query - window);
  }
  __device__ bool SeesAny(int first_query, int first_key) const {
    const int last_query = first_query + kChunk - 1;
    const int last_key = first_key + kChunk - 1;
    return first_query < length && first_key <= last_query &&
           (window == 0 || last_key > first_query - window);
  }
};

// ---- dk and dv ----

template <int kDim>
struct QueryStage {
  BlockRows<kDim> q;
  BlockRows<kDim> dy;
  float4 rows[kBlockRows];
};

template <int kDim>
struct KeysShared {
  BlockRows<kDim> k;
  BlockRows<kDim> v;
  QueryStage<kDim> stages[2];
};

// Queries [first, first + 64) of a sequence and head.
template <int kDim>
__device__ __forceinline__ void FetchQueries(const TileBackwardWork& work, int first_token,
                                             int length, int head, int first,
                                             QueryStage<kDim>& stage) {
  const int64_t row = int64_t{first_token + first} * work.num_heads + head;
  const int64_t stride = int64_t{work.num_heads} * kDim;
  const int count = length - first;
  FetchRows<kDim>(work.q + row * kDim, stride, count, stage.q);
  FetchRows<kDim>(work.dy + row * kDim, stride, count, stage.dy);
  const int i = static_cast<int>(threadIdx.x);
  if (i < kBlockRows) {
    const bool is_there = i < count;
    const float4* const from = work.rows + row;
    CopyAsync16(&stage.rows[i], from + (is_there ? int64_t{i} * work.num_heads : 0),
                is_there ? 16 : 0);
  }
  CommitCopies();
}

template <int kDim>
__global__ void __launch_bounds__(kTileThreads, 2) KeysKernel(TileBackwardWork work) {
  auto& shared = *reinterpret_cast<KeysShared<kDim>*>(DynamicShared());
  const TileOf<kBlockRows> tile(work.batch, 1, static_cast<int>(blockIdx.x));
  if (tile.sequence < 0) return;  // the whole block
  const int kv_head = static_cast<int>(blockIdx.y);
  const int first_token = work.batch.cu_seqlens[tile.sequence];
  const Sight sight{work.batch.cu_seqlens[tile.sequence + 1] - first_token, work.window};
  const int first_key = tile.first_row;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * kChunk;

  // The queries that see a key of the block, in blocks, of each head of the group.
  const int64_t last = int64_t{first_key} + kBlockRows - 1 + work.window;
  const int end = work.window > 0 && last < sight.length ? static_cast<int>(last) : sight.length;
  const int num_blocks = (end - first_key + kBlockRows - 1) / kBlockRows;
  const int num_steps = num_blocks * work.group();
  const auto fetch = [&](int step) {
    FetchQueries<kDim>(work, first_token, sight.length, kv_head * work.group() + step / num_blocks,
                       first_key + step % num_blocks * kBlockRows, shared.stages[step % 2]);
  };
  const int64_t key_row = int64_t{first_token + first_key} * work.batch.num_kv_heads + kv_head;
  const int64_t stride = int64_t{work.batch.num_kv_heads} * kDim;
  const int num_keys = sight.length - first_key;
  FetchRows<kDim>(work.k + key_row * kDim, stride, num_keys, shared.k);
  FetchRows<kDim>(work.v + key_row * kDim, stride, num_keys, shared.v);
  fetch(0);

  LeftRows<kDim, true> k(shared.k, warp_row);
  LeftRows<kDim, (kDim < 128)> v(shared.v, warp_row);  // registers do not suffice for both
  float dk[kDim / 8][4] = {};
  float dv[kDim / 8][4] = {};
  for (int step = 0; step < num_steps; ++step) {
    AwaitCopies<0>();
    __syncthreads();  // the stage is there, and nobody reads the other one any more
    if (step + 1 < num_steps) fetch(step + 1);
    if (step == 0) {
      k.Load();
      v.Load();
    }
    const QueryStage<kDim>& stage = shared.stages[step % 2];
    const int first_query = first_key + step % num_blocks * kBlockRows;
    for (int chunk = 0; chunk < kBlockRows; chunk += kChunk) {
      if (!sight.SeesAny(first_query + chunk, first_key + warp_row)) continue;  // the whole warp
      float p[2][4] = {};
      float ds[2][4] = {};
      MultiplyByRows(k, stage.q, chunk, p);
      MultiplyByRows(v, stage.dy, chunk, ds);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int query = chunk + i / 4 * 8 + lane % 4 * 2 + i % 2;
        const int key = first_key + warp_row + lane / 4 + i % 4 / 2 * 8;
        Differentiate(stage.rows[query], work.scale, sight.Sees(first_query + query, key),
                      p[i / 4][i % 4], ds[i / 4][i % 4]);
      }
      AddProduct<kDim>(p, stage.dy, chunk, dv);
      AddProduct<kDim>(ds, stage.q, chunk, dk);
    }
  }
  WriteRows<kDim>(dk, warp_row, num_keys, work.dk + key_row * kDim, stride);
  WriteRows<kDim>(dv, warp_row, num_keys, work.dv + key_row * kDim, stride);
}

// ---- dq ----

template <int kDim>
struct KeyStage {
  BlockRows<kDim> k;
  BlockRows<kDim> v;
};

template <int kDim>
struct QueriesShared {
  BlockRows<kDim> q;
  BlockRows<kDim> dy;
  KeyStage<kDim> stages[2];
};

template <int kDim>
__global__ void __launch_bounds__(kTileThreads, 2) QueriesKernel(TileBackwardWork work) {
  auto& shared = *reinterpret_cast<QueriesShared<kDim>*>(DynamicShared());
  // From the last to the first: later queries see more keys, and what takes longest starts first.
  const TileOf<kBlockRows> tile(work.batch, 1, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (tile.sequence < 0) return;  // the whole block
  const int head = static_cast<int>(blockIdx.y);
  const int kv_head = head / work.group();
  const int first_token = work.batch.cu_seqlens[tile.sequence];
  const Sight sight{work.batch.cu_seqlens[tile.sequence + 1] - first_token, work.window};
  const int first_query = tile.first_row;
  const int num_queries = sight.length - first_query;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * kChunk;

  const int64_t query_row = int64_t{first_token + first_query} * work.num_heads + head;
  const int64_t stride = int64_t{work.num_heads} * kDim;
  const auto fetch = [&](int first_key, KeyStage<kDim>& stage) {
    const int64_t row = int64_t{first_token + first_key} * work.batch.num_kv_heads + kv_head;
    const int64_t key_stride = int64_t{work.batch.num_kv_heads} * kDim;
    FetchRows<kDim>(work.k + row * kDim, key_stride, sight.length - first_key, stage.k);
    FetchRows<kDim>(work.v + row * kDim, key_stride, sight.length - first_key, stage.v);
    CommitCopies();
  };
  FetchRows<kDim>(work.q + query_row * kDim, stride, num_queries, shared.q);
  FetchRows<kDim>(work.dy + query_row * kDim, stride, num_queries, shared.dy);
  const int begin = KeysOf(first_query, work.window).first / kBlockRows * kBlockRows;
  fetch(begin, shared.stages[0]);
  float4 rows[2] = {};
  for (int r = 0; r < 2; ++r) {
    const int query = warp_row + lane / 4 + 8 * r;
    if (query < num_queries) rows[r] = work.rows[query_row + int64_t{query} * work.num_heads];
  }

  LeftRows<kDim, true> q(shared.q, warp_row);
  LeftRows<kDim, true> dy(shared.dy, warp_row);
  float dq[kDim / 8][4] = {};
  for (int first_key = begin; first_key <= first_query; first_key += kBlockRows) {
    const int stage_index = (first_key - begin) / kBlockRows % 2;
    const KeyStage<kDim>& stage = shared.stages[stage_index];
    AwaitCopies<0>();
    __syncthreads();  // the stage is there, and nobody reads the other one any more
    const int next = first_key + kBlockRows;
    if (next <= first_query) fetch(next, shared.stages[stage_index ^ 1]);
    if (first_key == begin) {
      q.Load();
      dy.Load();
    }
    for (int chunk = 0; chunk < kBlockRows; chunk += kChunk) {
      if (!sight.SeesAny(first_query + warp_row, first_key + chunk)) continue;  // the whole warp
      float p[2][4] = {};
      float ds[2][4] = {};
      MultiplyByRows(q, stage.k, chunk, p);
      MultiplyByRows(dy, stage.v, chunk, ds);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int query = first_query + warp_row + lane / 4 + i % 4 / 2 * 8;
        const int key = first_key + chunk + i / 4 * 8 + lane % 4 * 2 + i % 2;
        Differentiate(rows[i % 4 / 2], work.scale, sight.Sees(query, key), p[i / 4][i % 4],
                      ds[i / 4][i % 4]);
      }
      AddProduct<kDim>(ds, stage.k, chunk, dq);
    }
  }
  WriteRows<kDim>(dq, warp_row, num_queries, work.dq + query_row * kDim, stride);
}

}  // namespace tandem::cuda
