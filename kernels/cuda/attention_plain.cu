// Attention over any cache, for any head_dim up to 256: f32 caches, whose products tensor cores
// would round, and head_dims without a tile. A warp a row (a token and a query head): in a block of
// 64 keys a lane has the scores of two, then some of the dims. Bound by its multiply-adds, on which
// lanes of other query heads read the same keys again, from the first cache.

#include "kernels/cuda/attention_work.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"

namespace tandem::cuda {
namespace {

constexpr int kDimsPerLane = kMaxPlainDim / kWarp;

struct RowShared {
  float probabilities[kBlockKeys];
};

// One row, and where its keys lie.
template <typename T>
struct Row {
  const PagedBatch& batch;
  int sequence;
  int kv_head;
  KeyRange keys;

  __device__ bool Sees(int key) const { return key >= keys.first && key <= keys.last; }
  __device__ const T* Page(int key) const {
    return reinterpret_cast<const T*>(batch.Head(sequence, key / kPageTokens, kv_head));
  }
};

// Scaled scores of this lane's two keys; minus infinity where the row does not see them.
template <typename T>
__device__ __forceinline__ void ScoreTwo(const Row<T>& row, const float* q, float scale,
                                         int first_key, float (&scores)[2]) {
  for (int i = 0; i < 2; ++i) {
    const int key = first_key + static_cast<int>(threadIdx.x) + kWarp * i;
    scores[i] = NegativeInfinity();
    if (!row.Sees(key)) continue;
    const T* const page = row.Page(key);
    float score = 0.0f;
    for (int d = 0; d < row.batch.head_dim; ++d) {
      const float rounded = ToFloat(FromFloat<T>(q[d]));
      score = __fmaf_rn(rounded, ToFloat(page[PageIndex<T>::Key(key % kPageTokens, d)]), score);
    }
    scores[i] = score * scale;
  }
}

// From scores to probabilities, rounded to T for the product; `shrink` brings earlier sums to the
// new maximum. A block has a key that the row sees.
template <typename T>
__device__ __forceinline__ float Soften(const float (&scores)[2], Softmax& state,
                                        RowShared& shared) {
  const float largest = WarpMax(LargerOrNan(LargerOrNan(scores[0], scores[1]), state.max));
  const float shrink = Exp(state.max - largest);
  float p[2];
  for (int i = 0; i < 2; ++i) {
    p[i] = scores[i] == NegativeInfinity() ? 0.0f : Exp(scores[i] - largest);
    shared.probabilities[static_cast<int>(threadIdx.x) + kWarp * i] = ToFloat(FromFloat<T>(p[i]));
  }
  state = {largest, state.sum * shrink + WarpSum(p[0] + p[1])};
  return shrink;
}

template <typename T>
__device__ __forceinline__ void AddValues(const Row<T>& row, int first_key, float shrink,
                                          const RowShared& shared, float (&sums)[kDimsPerLane]) {
#pragma unroll
  for (int i = 0; i < kDimsPerLane; ++i) {
    const int d = static_cast<int>(threadIdx.x) + kWarp * i;
    if (d >= row.batch.head_dim) continue;
    sums[i] *= shrink;
    for (int k = 0; k < kBlockKeys; ++k) {
      const int key = first_key + k;
      if (!row.Sees(key)) continue;  // never multiplied
      const int at = PageIndex<T>::Value(key % kPageTokens, d, row.batch.head_dim);
      sums[i] = __fmaf_rn(shared.probabilities[k], ToFloat(row.Page(key)[at]), sums[i]);
    }
  }
}

template <typename T, typename Y>
__global__ void __launch_bounds__(kWarp) AttentionRowKernel(AttentionWork<Y> work) {
  AwaitPrevious();
  LetNextStart();
  auto& shared = StaticShared<RowShared>();
  const PagedBatch& batch = work.batch;
  const int dim = batch.head_dim;
  const int lane = static_cast<int>(threadIdx.x);
  const int head = static_cast<int>(blockIdx.y);
  const int part = static_cast<int>(blockIdx.z);
  const int token = static_cast<int>(blockIdx.x);
  const TokenPlace place = PlaceOf(batch, token);
  const Row<T> row{batch, place.sequence, head / work.group(), KeysOf(place.position, work.window)};
  const int64_t row_index = int64_t{token} * work.num_heads + head;
  const Partials& partials = work.partials;

  Softmax merged{NegativeInfinity()};
  Softmax state{NegativeInfinity()};
  float merged_sums[kDimsPerLane] = {};
  float sums[kDimsPerLane] = {};
  for (int first_key = FirstBlock(row.keys.first / kBlockKeys * kBlockKeys, part);
       first_key <= row.keys.last;) {
    float scores[2];
    ScoreTwo(row, work.q + row_index * dim, work.scale, first_key, scores);
    const float shrink = Soften<T>(scores, state, shared);
    __syncwarp();
    AddValues(row, first_key, shrink, shared, sums);
    __syncwarp();
    const int segment = first_key / kSegmentKeys;
    first_key = NextBlock(first_key, partials.num_parts);
    if (first_key <= row.keys.last && first_key / kSegmentKeys == segment) continue;

    MergeFactors factors{};
    const int64_t at = segment * work.num_rows + row_index;
    if (partials.sums == nullptr) {
      factors = Merge(merged, state);
    } else if (lane == 0) {
      partials.states[at] = {state.max, state.sum};
    }
#pragma unroll
    for (int i = 0; i < kDimsPerLane; ++i) {
      const int d = lane + kWarp * i;
      if (partials.sums == nullptr) {
        merged_sums[i] = MergedValue(factors, merged_sums[i], sums[i]);
      } else if (d < dim) {
        partials.sums[at * dim + d] = sums[i];
      }
      sums[i] = 0.0f;
    }
    state = {NegativeInfinity()};
  }
  if (partials.sums != nullptr) return;
#pragma unroll
  for (int i = 0; i < kDimsPerLane; ++i) {
    const int d = lane + kWarp * i;
    if (d < dim) work.y[row_index * dim + d] = FromFloat<Y>(__fdiv_rn(merged_sums[i], merged.sum));
  }
  if (work.statistics != nullptr && lane == 0) {
    work.statistics[2 * row_index] = merged.max;
    work.statistics[2 * row_index + 1] = merged.sum;
  }
}

}  // namespace

template <typename T, typename Y>
void LaunchPlainAttention(Context& context, const AttentionWork<Y>& work) {
  const LaunchShape shape{.grid = {static_cast<unsigned>(work.num_rows / work.num_heads),
                                   static_cast<unsigned>(work.num_heads),
                                   static_cast<unsigned>(work.partials.num_parts)},
                          .block = kWarp,
                          .waits_inside = true};
  Launch("attention", shape, context.stream, AttentionRowKernel<T, Y>, work);
}

template void LaunchPlainAttention<float>(Context&, const AttentionWork<float>&);
template void LaunchPlainAttention<float>(Context&, const AttentionWork<__nv_bfloat16>&);
template void LaunchPlainAttention<__nv_bfloat16>(Context&, const AttentionWork<float>&);
template void LaunchPlainAttention<__nv_bfloat16>(Context&, const AttentionWork<__nv_bfloat16>&);

}  // namespace tandem::cuda
