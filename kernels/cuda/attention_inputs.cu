// A warp a head of a token's q, k or v. It sums squares in the order of RmsNorm, then norms and
// turns pairs of elements, which it reads again where another lane had them: out of the first
// cache, so lanes exchange nothing, whatever head_dim is. One launch instead of eight: at one token
// that is what it costs. At many it is bound by memory; of what it writes, keys go to the most
// places, 16 of 32 bytes for each 32 dims in bf16, which meet those of the page's other tokens in
// the second cache.

#include "kernels/attention_inputs.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/kv_page.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/row_norm.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {
namespace {

constexpr int kHeadsPerBlock = 4;

struct AttentionInputsWork {
  const float* qkv;  // [tokens, heads of q, then k, then v, head_dim]
  const int32_t* positions;
  const float* table;   // [positions, head_dim]: cosines, then sines
  const float* q_norm;  // [head_dim], or null
  const float* k_norm;  // likewise
  float eps;
  PagedBatch batch;
  float* q;  // [tokens, num_heads, head_dim]
  int num_heads;

  __device__ int heads_of_token() const { return num_heads + 2 * batch.num_kv_heads; }
};

// How many of a head's kCount numbers a lane has at once; one where they are not known here (0).
template <int kCount>
constexpr int kPerLane = kCount > 0 ? (kCount + kWarp - 1) / kWarp : 1;

// A head of q or k: store(i, y) for each element, after norm (where weight is not null) and RoPE.
template <int kDim, typename Store>
__device__ __forceinline__ void NormAndTurn(const AttentionInputsWork& work, const float* x,
                                            const float* weight, int position, const Store& store) {
  const int dim = kDim > 0 ? kDim : work.batch.head_dim;
  const int half = dim / 2;
  const float* const angles = work.table + int64_t{position} * dim;
  float scale = 1.0f;
  if (weight != nullptr) {
    scale = InverseRootMeanSquareOf(dim, work.eps, [&](int64_t i) { return x[i]; });
  }
  const auto normed = [&](int i) { return weight == nullptr ? x[i] : weight[i] * (x[i] * scale); };
  constexpr int kPairs = kPerLane<kDim / 2>;
  for (int first = static_cast<int>(threadIdx.x) % kWarp; first < half; first += kPairs * kWarp) {
    float2 turned[kPairs] = {};  // all are read before any is written
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      const int pair = first + kWarp * i;
      if (pair >= half) continue;
      const float cosine = angles[pair];
      const float sine = angles[pair + half];
      const float a = normed(pair);
      const float b = normed(pair + half);
      turned[i] = {a * cosine - b * sine, b * cosine + a * sine};
    }
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      const int pair = first + kWarp * i;
      if (pair >= half) continue;
      store(pair, turned[i].x);
      store(pair + half, turned[i].y);
    }
  }
}

// A head of v: store(i, x[i]) for each element.
template <int kDim, typename Store>
__device__ __forceinline__ void Pass(int head_dim, const float* x, const Store& store) {
  const int dim = kDim > 0 ? kDim : head_dim;
  constexpr int kValues = kPerLane<kDim>;
  for (int first = static_cast<int>(threadIdx.x) % kWarp; first < dim; first += kValues * kWarp) {
    float values[kValues] = {};
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      if (first + kWarp * i < dim) values[i] = x[first + kWarp * i];
    }
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      if (first + kWarp * i < dim) store(first + kWarp * i, values[i]);
    }
  }
}

// T is the cache's dtype, kDim the head_dim or 0: any.
template <typename T, int kDim>
__global__ void __launch_bounds__(kHeadsPerBlock* kWarp)
    AttentionInputsKernel(AttentionInputsWork work) {
  AwaitPrevious();
  LetNextStart();
  const int head = static_cast<int>(blockIdx.y * kHeadsPerBlock + threadIdx.x / kWarp);
  if (head >= work.heads_of_token()) return;  // whole warps, and nobody meets at a barrier
  const int64_t token = blockIdx.x;
  const PagedBatch& batch = work.batch;
  const int dim = batch.head_dim;
  const float* const x = work.qkv + (token * work.heads_of_token() + head) * dim;
  const int position = work.positions[token];
  if (head < work.num_heads) {
    float* const q = work.q + (token * work.num_heads + head) * dim;
    return NormAndTurn<kDim>(work, x, work.q_norm, position, [&](int i, float y) { q[i] = y; });
  }
  using Index = PageIndex<T>;
  const bool is_key = head < work.num_heads + batch.num_kv_heads;
  const int kv_head = head - work.num_heads - (is_key ? 0 : batch.num_kv_heads);
  const TokenPlace place = PlaceOf(batch, token);
  auto* const page =
      reinterpret_cast<T*>(batch.Head(place.sequence, place.position / Index::kTokens, kv_head));
  const int slot = place.position % Index::kTokens;
  if (is_key) {
    return NormAndTurn<kDim>(work, x, work.k_norm, position,
                             [&](int i, float y) { page[Index::Key(slot, i)] = FromFloat<T>(y); });
  }
  Pass<kDim>(dim, x,
             [&](int i, float value) { page[Index::Value(slot, i, dim)] = FromFloat<T>(value); });
}

// The head_dims of models that are in use get kernels of their own, whose loads are all under way
// at once.
template <typename T>
auto KernelFor(int64_t head_dim) {
  switch (head_dim) {
    case 64:
      return AttentionInputsKernel<T, 64>;
    case 80:
      return AttentionInputsKernel<T, 80>;
    case 96:
      return AttentionInputsKernel<T, 96>;
    case 128:
      return AttentionInputsKernel<T, 128>;
    default:
      return AttentionInputsKernel<T, 0>;
  }
}

template <typename T>
void Run(Context& context, const AttentionInputsArgs& args) {
  const auto weight = [](ConstTensorView norm) {
    return norm.empty() ? nullptr : norm.data<float>();
  };
  const AttentionInputsWork work{.qkv = args.qkv.data<float>(),
                                 .positions = args.positions.data<int32_t>(),
                                 .table = args.table.rows().data<float>(),
                                 .q_norm = weight(args.q_norm),
                                 .k_norm = weight(args.k_norm),
                                 .eps = args.eps,
                                 .batch = PagedBatchOf(args.batch, args.pool, args.layer),
                                 .q = args.q.data<float>(),
                                 .num_heads = static_cast<int>(args.q.dim(1))};
  const int64_t heads = args.q.dim(1) + 2 * args.pool.layout().num_kv_heads;
  const LaunchShape shape{
      .grid = {static_cast<unsigned>(args.q.dim(0)), NumBlocks(heads, kHeadsPerBlock)},
      .block = kHeadsPerBlock * kWarp,
      .waits_inside = true};
  Launch("attention_inputs", shape, context.stream, KernelFor<T>(work.batch.head_dim), work);
}

}  // namespace

void AttentionInputs(Context& context, const AttentionInputsArgs& args) {
  if (args.q.dim(0) == 0) return;
  if (args.pool.layout().dtype == DType::kF32) return Run<float>(context, args);
  Run<__nv_bfloat16>(context, args);
}

}  // namespace tandem::cuda
