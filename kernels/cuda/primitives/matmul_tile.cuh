#pragma once
// What the kernels of Matmul share: a tile of y = x w^T with mma.sync (bf16, i8), or some elements
// of it with plain multiply-adds (f32, f16). Rows of x and of w are both rows of k, so both come to
// shared memory and to a lane's registers in the same way, and one tile, in bytes of k, serves both
// types.
//
// k ascends into one accumulator, mma by mma, whatever the tile's size: an element's bits depend on
// its rows of x and w alone.

#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/matmul.h"

namespace tandem::cuda {

// Rows of x and columns (rows of w) of a block, and of each of its warps; the bytes of k of a step,
// and the steps that a ring in shared memory holds.
template <int kRowsOf, int kColumnsOf, int kWarpRowsOf, int kWarpColumnsOf, int kStepBytesOf,
          int kStagesOf>
struct TileShape {
  static constexpr int kRows = kRowsOf;
  static constexpr int kColumns = kColumnsOf;
  static constexpr int kWarpRows = kWarpRowsOf;
  static constexpr int kWarpColumns = kWarpColumnsOf;
  static constexpr int kStepBytes = kStepBytesOf;
  static constexpr int kStages = kStagesOf;
  static constexpr int kThreads = kRows / kWarpRows * (kColumns / kWarpColumns) * 32;
  static constexpr int kChunks = kStepBytes / 16;  // of 16 bytes, in a row of a step
  static constexpr int kTilesDown = kWarpRows / 16;
  static constexpr int kTilesAcross = kWarpColumns / 8;
  static_assert(kThreads % kChunks == 0 && kTilesAcross % 2 == 0);

  struct Stage {
    alignas(16) unsigned char x[kRows * kStepBytes];
    alignas(16) unsigned char w[kColumns * kStepBytes];
  };

  // Of the warp in the tile.
  __device__ static int WarpRow() {
    return static_cast<int>(threadIdx.x) / 32 / (kColumns / kWarpColumns) * kWarpRows;
  }
  __device__ static int WarpColumn() {
    return static_cast<int>(threadIdx.x) / 32 % (kColumns / kWarpColumns) * kWarpColumns;
  }
  // Where a chunk of a row lies in a stage: eight rows of a fragment, of which as many share the
  // 128 bytes of all banks as fit there, meet no bank twice.
  __device__ static int ChunkAt(int row, int chunk) {
    const int turn = kChunks >= 8 ? row % 8 : row / (8 / kChunks) % kChunks;
    return row * kStepBytes + (chunk ^ turn) * 16;
  }
};

// Of many rows.
using LargeTile = TileShape<64, 64, 32, 32, 64, 4>;
// Of few, where w is read once in any case: many small blocks, each with much of k under way.
using SmallTile = TileShape<16, 32, 16, 16, 256, 4>;
inline constexpr int64_t kFewRows = 16;

struct MatmulWork {
  const unsigned char* x;  // rows of k elements
  const int32_t* x_rows;   // which of them are multiplied, or null: all, as they come
  const int32_t* y_rows;   // where they go, or null: as they come
  const float* x_scales;   // i8 only
  const unsigned char* w;  // rows
  const float* w_scales;   // i8 only
  const float* bias;       // or null
  float* y;
  int64_t rows;
  int64_t n;
  int64_t row_bytes;    // of x
  int64_t w_row_bytes;  // no fewer; a multiple of 16
  bool add;

  __device__ int64_t RowOfX(int64_t row) const { return x_rows == nullptr ? row : x_rows[row]; }
  __device__ int64_t RowOfY(int64_t row) const { return y_rows == nullptr ? row : y_rows[row]; }
};

// In all steps a thread fetches the same chunk of the same rows.
template <typename Tile, int kRows>
struct OwnRows {
  static constexpr int kApart = Tile::kThreads / Tile::kChunks;
  static constexpr int kCount = kRows / kApart;
  const unsigned char* at[kCount];  // null: no such row
};

// address(row) of a row of the tile, or null.
template <typename Tile, int kRows, typename Address>
__device__ __forceinline__ OwnRows<Tile, kRows> OwnRowsOf(const Address& address) {
  OwnRows<Tile, kRows> own;
#pragma unroll
  for (int j = 0; j < own.kCount; ++j) {
    own.at[j] = address(static_cast<int>(threadIdx.x) / Tile::kChunks + j * own.kApart);
  }
  return own;
}

// Bytes first_byte.. of the rows, of row_bytes each, into `to`; zeros where there are none. `any`:
// an address to name where nothing is read.
template <typename Tile, bool kAligned, int kRows>
__device__ __forceinline__ void FetchRows(const OwnRows<Tile, kRows>& own, int64_t row_bytes,
                                          int64_t first_byte, const unsigned char* any,
                                          unsigned char* to) {
  const int chunk = static_cast<int>(threadIdx.x) % Tile::kChunks;
  const int64_t at = first_byte + chunk * 16;
#pragma unroll
  for (int j = 0; j < own.kCount; ++j) {
    const int row = static_cast<int>(threadIdx.x) / Tile::kChunks + j * own.kApart;
    const bool is_there = own.at[j] != nullptr && at < row_bytes;
    const unsigned char* const from = is_there ? own.at[j] + at : any;
    unsigned char* const place = to + Tile::ChunkAt(row, chunk);
    if constexpr (kAligned) {
      CopyAsync16(place, from, is_there ? 16 : 0);
    } else {
      for (int b = 0; b < 16; ++b) {
        place[b] = is_there && at + b < row_bytes ? from[b] : static_cast<unsigned char>(0);
      }
    }
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

// sums[i][j]: rows 16 i and columns 8 j of the warp's part.
template <typename Tile, typename Type>
using TileSums = typename Type::Sum[Tile::kTilesDown][Tile::kTilesAcross][4];

template <typename Tile, typename Type>
__device__ __forceinline__ void MultiplyStage(const typename Tile::Stage& stage,
                                              TileSums<Tile, Type>& sums) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int part = 0; part < Tile::kStepBytes / 32; ++part) {  // of k, as deep as one mma
    uint32_t a[Tile::kTilesDown][4];
#pragma unroll
    for (int i = 0; i < Tile::kTilesDown; ++i) {
      const int row = Tile::WarpRow() + 16 * i + lane % 16;
      LoadMatrix4(a[i], stage.x + Tile::ChunkAt(row, 2 * part + lane / 16));
    }
#pragma unroll
    for (int j = 0; j < Tile::kTilesAcross; j += 2) {
      uint32_t both[4];  // of columns 8 j and 8 (j + 1)
      const int column = Tile::WarpColumn() + 8 * j + lane / 16 * 8 + lane % 8;
      LoadMatrix4(both, stage.w + Tile::ChunkAt(column, 2 * part + lane / 8 % 2));
#pragma unroll
      for (int side = 0; side < 2; ++side) {
        const uint32_t b[2] = {both[2 * side], both[2 * side + 1]};
#pragma unroll
        for (int i = 0; i < Tile::kTilesDown; ++i) {
          MultiplyAdd(typename Type::Elements(), sums[i][j + side], a[i], b);
        }
      }
    }
  }
}

template <typename Type>
__device__ __forceinline__ void StoreProduct(const MatmulWork& work, int64_t row, int64_t column,
                                             typename Type::Sum sum) {
  if (row >= work.rows || column >= work.n) return;
  float value = Type::Scaled(sum, work, row, column);
  if (work.bias != nullptr) value += work.bias[column];
  float* const y = work.y + work.RowOfY(row) * work.n + column;
  *y = work.add ? *y + value : value;
}

// Rows first_row.. by the columns of which column_of(column of the tile) says the number in w, or
// -1, into `sums`, which are zero; all threads of a block, which has the stages of the tile as
// dynamic shared memory.
template <typename Tile, typename Type, bool kAligned, typename ColumnOf>
__device__ __forceinline__ void MultiplyTile(const MatmulWork& work, int64_t first_row,
                                             const ColumnOf& column_of,
                                             TileSums<Tile, Type>& sums) {
  auto* const stages = reinterpret_cast<typename Tile::Stage*>(DynamicShared());
  const auto x = OwnRowsOf<Tile, Tile::kRows>([&](int row) -> const unsigned char* {
    return first_row + row < work.rows ? work.x + work.RowOfX(first_row + row) * work.row_bytes
                                       : nullptr;
  });
  const auto w = OwnRowsOf<Tile, Tile::kColumns>([&](int column) -> const unsigned char* {
    const int64_t at = column_of(column);
    return at >= 0 ? work.w + at * work.w_row_bytes : nullptr;
  });
  const int num_steps =
      static_cast<int>((work.row_bytes + Tile::kStepBytes - 1) / Tile::kStepBytes);
  const auto fetch = [&](int step) {
    if (step < num_steps) {
      typename Tile::Stage& stage = stages[step % Tile::kStages];
      const int64_t first_byte = int64_t{step} * Tile::kStepBytes;
      FetchRows<Tile, kAligned>(x, work.row_bytes, first_byte, work.x, stage.x);
      FetchRows<Tile, true>(w, work.w_row_bytes, first_byte, work.w, stage.w);
    }
    CommitCopies();  // an empty group too, so that the count is the same at the end
  };
  for (int step = 0; step < Tile::kStages - 1; ++step) fetch(step);
  for (int step = 0; step < num_steps; ++step) {
    AwaitCopies<Tile::kStages - 2>();
    __syncthreads();  // all see the step, and nobody is at the one that is fetched over now
    fetch(step + Tile::kStages - 1);
    MultiplyStage<Tile, Type>(stages[step % Tile::kStages], sums);
  }
  AwaitCopies<0>();
}

// Rows first_row.. by columns first_column.., stored.
template <typename Tile, typename Type, bool kAligned>
__device__ __forceinline__ void MultiplyColumns(const MatmulWork& work, int64_t first_row,
                                                int64_t first_column) {
  TileSums<Tile, Type> sums = {};
  MultiplyTile<Tile, Type, kAligned>(
      work, first_row,
      [&](int column) { return first_column + column < work.n ? first_column + column : -1; },
      sums);
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < Tile::kTilesDown; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::kTilesAcross; ++j) {
      const int64_t row = first_row + Tile::WarpRow() + 16 * i + lane / 4;
      const int64_t column = first_column + Tile::WarpColumn() + 8 * j + lane % 4 * 2;
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

// ---- f32 ----

inline constexpr int kFloatRows = 16;
inline constexpr int kFloatColumns = 64;
inline constexpr int kFloatThreads = 256;  // four elements of a row each
inline constexpr int kFloatStep = 32;      // of k

// Both turned over, so that a thread reads its four columns at once.
struct FloatStage {
  float x[kFloatStep][kFloatRows];
  alignas(16) float w[kFloatStep][kFloatColumns + 4];
};

template <typename W>
__device__ __forceinline__ void FetchFloats(const MatmulWork& work, int64_t first_row,
                                            int64_t first_column, int64_t first, int count,
                                            FloatStage& stage) {
  const int own = static_cast<int>(threadIdx.x) % kFloatStep;  // of k
  const int start = static_cast<int>(threadIdx.x) / kFloatStep;
  constexpr int kApart = kFloatThreads / kFloatStep;
#pragma unroll
  for (int i = start; i < kFloatRows; i += kApart) {
    const int64_t row = first_row + i;
    if (row >= work.rows || own >= count) continue;
    stage.x[own][i] =
        reinterpret_cast<const float*>(work.x + work.RowOfX(row) * work.row_bytes)[first + own];
  }
#pragma unroll
  for (int i = start; i < kFloatColumns; i += kApart) {
    const int64_t column = first_column + i;
    if (column >= work.n || own >= count) continue;
    stage.w[own][i] =
        ToFloat(reinterpret_cast<const W*>(work.w + column * work.w_row_bytes)[first + own]);
  }
}

// All threads of a block of kFloatThreads.
template <typename W>
__device__ __forceinline__ void MultiplyFloats(const MatmulWork& work, int64_t first_row,
                                               int64_t first_column) {
  auto& stage = StaticShared<FloatStage>();
  const int64_t k = work.row_bytes / static_cast<int64_t>(sizeof(float));
  const int own_row = static_cast<int>(threadIdx.x) / (kFloatColumns / 4);
  const int own_column = static_cast<int>(threadIdx.x) % (kFloatColumns / 4) * 4;
  float sums[4] = {};
  for (int64_t first = 0; first < k; first += kFloatStep) {
    const int count = static_cast<int>(k - first < kFloatStep ? k - first : kFloatStep);
    __syncthreads();  // nobody reads the step before
    FetchFloats<W>(work, first_row, first_column, first, count, stage);
    __syncthreads();
#pragma unroll 4  // more would hold more operands than there are registers
    for (int i = 0; i < count; ++i) {
      const float x = stage.x[i][own_row];
      const float4 w = *reinterpret_cast<const float4*>(&stage.w[i][own_column]);
      sums[0] = __fmaf_rn(x, w.x, sums[0]);
      sums[1] = __fmaf_rn(x, w.y, sums[1]);
      sums[2] = __fmaf_rn(x, w.z, sums[2]);
      sums[3] = __fmaf_rn(x, w.w, sums[3]);
    }
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    StoreProduct<FloatProduct>(work, first_row + own_row, first_column + own_column + j, sums[j]);
  }
}

inline bool RowsAreAligned(const MatmulWork& work) {
  return work.row_bytes % 16 == 0 && reinterpret_cast<uintptr_t>(work.x) % 16 == 0;
}

}  // namespace tandem::cuda
