#pragma once
// What the kernels of Matmul share: a tile of y = x w^T with mma.sync (bf16, i8), or an element of
// it with plain multiply-adds (f32, f16), straight from the panels of a packed matrix. In a panel,
// a group of k by 64 columns is 256 bytes: four bytes a column, which is what a lane of mma holds
// of B. So one tile, in bytes of k, serves both types.
//
// A block does 64 rows by a panel, 64 bytes of k a step, through a ring of kTileStages in shared
// memory; each of four warps 32 rows by 32 columns. k ascends into one accumulator: an element's
// bits depend on its rows of x and w alone.

#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/matmul.h"

namespace tandem::cuda {

inline constexpr int kTileColumns = PackedMatrix::kPanel;
inline constexpr int kTileRows = 64;
inline constexpr int kTileStages = 3;
inline constexpr int kTileThreads = 128;
inline constexpr int kStepBytes = 64;            // of k in a row of x
inline constexpr int kStepGroups = 16;           // four bytes each
inline constexpr int kChunks = kStepBytes / 16;  // of 16 bytes in a row of a step
// Groups lie 72 words apart, so that the lanes of a fragment read from 32 different banks.
inline constexpr int kGroupWords = kTileColumns + 8;

struct MatmulStage {
  alignas(16) unsigned char x[kTileRows * kStepBytes];
  alignas(16) uint32_t w[kStepGroups * kGroupWords];
};

struct MatmulWork {
  const unsigned char* x;  // rows of k elements
  const int32_t* x_rows;   // which of them are multiplied, or null: all, as they come
  const float* x_scales;   // i8 only
  const unsigned char* w;  // panels
  const float* w_scales;   // i8 only
  const float* bias;       // or null
  float* y;
  int64_t rows;
  int64_t n;
  int64_t row_bytes;   // of x
  int64_t num_groups;  // of four bytes, in a panel
  bool add;

  __device__ int64_t RowOfX(int64_t row) const { return x_rows == nullptr ? row : x_rows[row]; }
};

// Chunks of 16 bytes lie in a row of x so that eight rows of a fragment, and two rows to the 128
// bytes that all banks have, meet no bank twice.
__device__ __forceinline__ int ChunkAt(int row, int chunk) {
  return row * kStepBytes + (chunk ^ (row / 2 % kChunks)) * 16;
}

// In all steps a thread fetches the same chunk of the same rows of x, and the same four columns of
// w.
inline constexpr int kRowsApart = kTileThreads / kChunks;
inline constexpr int kRowsPerThread = kTileRows / kRowsApart;
inline constexpr int kColumnChunks = kTileColumns * 4 / 16;  // of 16 bytes in a group
static_assert(kTileThreads % kChunks == 0 && kTileThreads % kColumnChunks == 0);

struct OwnRows {
  const unsigned char* x[kRowsPerThread];  // null: no such row
};

__device__ __forceinline__ OwnRows OwnRowsOf(const MatmulWork& work, int64_t first_row) {
  OwnRows own;
#pragma unroll
  for (int j = 0; j < kRowsPerThread; ++j) {
    const int64_t row = first_row + static_cast<int>(threadIdx.x) / kChunks + j * kRowsApart;
    own.x[j] = row < work.rows ? work.x + work.RowOfX(row) * work.row_bytes : nullptr;
  }
  return own;
}

template <bool kAligned>
__device__ __forceinline__ void FetchX(const MatmulWork& work, const OwnRows& own,
                                       int64_t first_byte, MatmulStage& stage) {
  const int chunk = static_cast<int>(threadIdx.x) % kChunks;
  const int64_t at = first_byte + chunk * 16;
#pragma unroll
  for (int j = 0; j < kRowsPerThread; ++j) {
    const int row = static_cast<int>(threadIdx.x) / kChunks + j * kRowsApart;
    const bool is_there = own.x[j] != nullptr && at < work.row_bytes;
    const unsigned char* const from = is_there ? own.x[j] + at : work.x;
    unsigned char* const to = stage.x + ChunkAt(row, chunk);
    if constexpr (kAligned) {
      CopyAsync16(to, from, is_there ? 16 : 0);
    } else {
      for (int b = 0; b < 16; ++b) {
        to[b] = is_there && at + b < work.row_bytes ? from[b] : static_cast<unsigned char>(0);
      }
    }
  }
}

// own_columns: the thread's four columns in the first group of their panel.
__device__ __forceinline__ void FetchW(const MatmulWork& work, const unsigned char* own_columns,
                                       int64_t first_group, MatmulStage& stage) {
#pragma unroll
  for (int i = 0; i < kStepGroups * kColumnChunks; i += kTileThreads) {
    const int group = (i + static_cast<int>(threadIdx.x)) / kColumnChunks;
    const int chunk = static_cast<int>(threadIdx.x) % kColumnChunks;
    const bool is_there = first_group + group < work.num_groups;
    const int64_t at = is_there ? (first_group + group) * kTileColumns * 4 : 0;
    CopyAsync16(stage.w + group * kGroupWords + chunk * 4, own_columns + at, is_there ? 16 : 0);
  }
}

struct Bf16Product {
  using Elements = Bf16Elements;
  using Sum = float;
  __device__ static float Scaled(float sum, const MatmulWork&, int64_t, int64_t) { return sum; }
};
struct Int8Product {
  using Elements = Int8Elements;
  using Sum = int32_t;
  __device__ static float Scaled(int32_t sum, const MatmulWork& work, int64_t row, int64_t column) {
    return static_cast<float>(sum) * work.x_scales[work.RowOfX(row)] * work.w_scales[column];
  }
};

template <typename Type>
__device__ __forceinline__ void MultiplyStage(const MatmulStage& stage, int warp_row,
                                              int warp_column,
                                              typename Type::Sum (&sums)[2][4][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int half = 0; half < 2; ++half) {  // 32 bytes of k each
    uint32_t a[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = warp_row + 16 * i + lane / 8 % 2 * 8 + lane % 8;
      LoadMatrix4(a[i], stage.x + ChunkAt(row, 2 * half + lane / 16));
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int at = (8 * half + lane % 4) * kGroupWords + warp_column + 8 * j + lane / 4;
      const uint32_t b[2] = {stage.w[at], stage.w[at + 4 * kGroupWords]};
#pragma unroll
      for (int i = 0; i < 2; ++i) MultiplyAdd(typename Type::Elements(), sums[i][j], a[i], b);
    }
  }
}

template <typename Type>
__device__ __forceinline__ void StoreProduct(const MatmulWork& work, int64_t row, int64_t column,
                                             typename Type::Sum sum) {
  if (row >= work.rows || column >= work.n) return;
  float value = Type::Scaled(sum, work, row, column);
  if (work.bias != nullptr) value += work.bias[column];
  float* const y = work.y + row * work.n + column;
  *y = work.add ? *y + value : value;
}

template <typename Type>
using TileSums = typename Type::Sum[2][4][4];

// Of the warp in the tile.
__device__ __forceinline__ int WarpRow() { return static_cast<int>(threadIdx.x) / 64 * 32; }
__device__ __forceinline__ int WarpColumn() { return static_cast<int>(threadIdx.x) / 32 % 2 * 32; }

// Rows first_row.. by the columns that the threads have, into `sums`, which are zero; all threads
// of a block of kTileThreads, which has kTileStages of dynamic shared memory.
template <typename Type, bool kAligned>
__device__ __forceinline__ void MultiplyTile(const MatmulWork& work, int64_t first_row,
                                             const unsigned char* own_columns,
                                             TileSums<Type>& sums) {
  auto* const stages = reinterpret_cast<MatmulStage*>(DynamicShared());
  const OwnRows own = OwnRowsOf(work, first_row);
  const int num_steps = static_cast<int>((work.num_groups + kStepGroups - 1) / kStepGroups);
  const auto fetch = [&](int step) {
    if (step < num_steps) {
      MatmulStage& stage = stages[step % kTileStages];
      FetchX<kAligned>(work, own, int64_t{step} * kStepBytes, stage);
      FetchW(work, own_columns, int64_t{step} * kStepGroups, stage);
    }
    CommitCopies();  // an empty group too, so that the count is the same at the end
  };
  for (int step = 0; step < kTileStages - 1; ++step) fetch(step);
  for (int step = 0; step < num_steps; ++step) {
    AwaitCopies<kTileStages - 2>();
    __syncthreads();  // all see the step, and nobody is at the one that is fetched over now
    fetch(step + kTileStages - 1);
    MultiplyStage<Type>(stages[step % kTileStages], WarpRow(), WarpColumn(), sums);
  }
  AwaitCopies<0>();
}

// The columns of `panel`, stored.
template <typename Type, bool kAligned>
__device__ __forceinline__ void MultiplyPanel(const MatmulWork& work, int64_t first_row,
                                              int64_t panel) {
  const int own = static_cast<int>(threadIdx.x) % kColumnChunks;
  TileSums<Type> sums = {};
  MultiplyTile<Type, kAligned>(
      work, first_row, work.w + panel * work.num_groups * kTileColumns * 4 + own * 16, sums);
  const int64_t first_column = panel * kTileColumns;
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t row = first_row + WarpRow() + 16 * i + lane / 4;
      const int64_t column = first_column + WarpColumn() + 8 * j + lane % 4 * 2;
      StoreProduct<Type>(work, row, column, sums[i][j][0]);
      StoreProduct<Type>(work, row, column + 1, sums[i][j][1]);
      StoreProduct<Type>(work, row + 8, column, sums[i][j][2]);
      StoreProduct<Type>(work, row + 8, column + 1, sums[i][j][3]);
    }
  }
}

struct FloatProduct {
  __device__ static float Scaled(float sum, const MatmulWork&, int64_t, int64_t) { return sum; }
  using Sum = float;
};

inline constexpr int kFloatRows = 4;

// A thread of kTileColumns * kFloatRows an element: the lanes of a warp read neighbouring columns
// of w and one element of x.
template <typename W>
__device__ __forceinline__ void MultiplyFloats(const MatmulWork& work, int64_t first_row,
                                               int64_t panel) {
  const int64_t row = first_row + threadIdx.x / kTileColumns;
  const int64_t column = panel * kTileColumns + threadIdx.x % kTileColumns;
  if (row >= work.rows || column >= work.n) return;
  const int64_t k = work.row_bytes / static_cast<int64_t>(sizeof(float));
  const auto* const x = reinterpret_cast<const float*>(work.x + work.RowOfX(row) * work.row_bytes);
  const auto* const w =
      reinterpret_cast<const W*>(work.w) + panel * k * kTileColumns + threadIdx.x % kTileColumns;
  float sum = 0.0f;
  for (int64_t i = 0; i < k; ++i) sum = __fmaf_rn(x[i], ToFloat(w[i * kTileColumns]), sum);
  StoreProduct<FloatProduct>(work, row, column, sum);
}

inline bool RowsAreAligned(const MatmulWork& work) {
  return work.row_bytes % 16 == 0 && reinterpret_cast<uintptr_t>(work.x) % 16 == 0;
}

}  // namespace tandem::cuda
