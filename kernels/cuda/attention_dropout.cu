// Attention with dropout of probabilities, and its backward: plain loops for training with dropout,
// which write no score down but compute it anew in every pass. A warp does a row; its lanes compute
// a key's term each, and all add the terms up with keys ascending.

#include "kernels/attention_dropout.h"

#include "kernels/cuda/attention_backward_plain.cuh"
#include "kernels/cuda/ops.h"

namespace tandem::cuda {
namespace {

template <typename Y>
struct DropoutForwardWork {
  PagedBatch batch;
  const float* q;  // [tokens, num_heads, head_dim]
  Y* y;            // the same shape
  int num_heads;
  float scale;
  int64_t window;  // 0: all
  DropoutMaskFields mask;
};

struct TermsShared {
  float terms[kWarp];
};

// The row that the block (a warp) does, of whole sequences.
template <typename T>
struct DroppedRow {
  int64_t index;  // token * num_heads + head
  CachedHead<T> keys;
  KeyRange range;
  const float* q;
  float scale;
  TermsShared& shared;

  template <typename Work>
  __device__ DroppedRow(const Work& work, TermsShared& terms)
      : index(int64_t{blockIdx.x} * work.num_heads + blockIdx.y),
        keys{work.batch, PlaceOf(work.batch, static_cast<int>(blockIdx.x)).sequence,
             static_cast<int>(blockIdx.y) / (work.num_heads / work.batch.num_kv_heads)},
        range(KeysOf(static_cast<int>(blockIdx.x) - work.batch.cu_seqlens[keys.sequence],
                     work.window)),
        q(work.q + index * work.batch.head_dim),
        scale(work.scale),
        shared(terms) {}

  __device__ float Score(int key) const { return keys.Score(q, key) * scale; }

  // Calls use(key, term(key)) for all keys ascending, in every lane.
  template <typename Term, typename Use>
  __device__ void ForKeys(const Term& term, const Use& use) const {
    const int lane = static_cast<int>(threadIdx.x);
    for (int first = range.first; first <= range.last; first += kWarp) {
      const int count = range.last - first + 1 < kWarp ? range.last - first + 1 : kWarp;
      if (lane < count) shared.terms[lane] = term(first + lane);
      __syncwarp();
      for (int j = 0; j < count; ++j) use(first + j, shared.terms[j]);
      __syncwarp();
    }
  }

  // Of scores, and of e^(score - largest).
  __device__ Softmax Statistics() const {
    float largest = NegativeInfinity();
    for (int key = range.first + static_cast<int>(threadIdx.x); key <= range.last; key += kWarp) {
      largest = LargerOrNan(Score(key), largest);
    }
    largest = WarpMax(largest);
    float sum = 0.0f;
    ForKeys([&](int key) { return Exp(Score(key) - largest); },
            [&](int, float term) { sum += term; });
    return {largest, sum};
  }
};

template <typename T, typename Y>
__global__ void __launch_bounds__(kWarp) DropoutForwardKernel(DropoutForwardWork<Y> work) {
  const DroppedRow<T> row(work, StaticShared<TermsShared>());
  const Softmax statistics = row.Statistics();
  const int dim = work.batch.head_dim;
  float y[kDimsPerLane] = {};
  row.ForKeys(
      [&](int key) {
        const float p = __fdiv_rn(Exp(row.Score(key) - statistics.max), statistics.sum);
        return FactorOf(work.mask, row.index, key) * p;
      },
      [&](int key, float w) {
#pragma unroll
        for (int i = 0; i < kDimsPerLane; ++i) {
          const int d = static_cast<int>(threadIdx.x) + kWarp * i;
          if (d < dim) y[i] = __fmaf_rn(w, row.keys.V(key, d), y[i]);
        }
      });
#pragma unroll
  for (int i = 0; i < kDimsPerLane; ++i) {
    const int d = static_cast<int>(threadIdx.x) + kWarp * i;
    if (d < dim) work.y[row.index * dim + d] = FromFloat<Y>(y[i]);
  }
}

// What the backward needs of every row: maximum, 1 / sum, delta.
template <typename T>
__global__ void __launch_bounds__(kWarp) DropoutRowsKernel(PlainBackwardWork work, float4* rows) {
  const DroppedRow<T> row(work, StaticShared<TermsShared>());
  const Softmax statistics = row.Statistics();
  const float inverse = __fdiv_rn(1.0f, statistics.sum);
  const float* const dy = work.dy + row.index * work.batch.head_dim;
  float delta = 0.0f;
  row.ForKeys(
      [&](int key) {
        const float p = Exp(row.Score(key) - statistics.max) * inverse;
        return FactorOf(work.mask, row.index, key) * p * row.keys.DotValue(dy, key);
      },
      [&](int, float term) { delta += term; });
  if (threadIdx.x == 0) rows[row.index] = {statistics.max, inverse, delta, 0.0f};
}

template <typename Args>
LaunchShape RowsShape(const Args& args) {
  return {{static_cast<unsigned>(args.q.dim(0)), static_cast<unsigned>(args.q.dim(1))}, kWarp};
}

template <typename T, typename Y>
void RunForward(Context& context, const DropoutAttentionArgs& args) {
  const AttentionArgs& attention = args.attention;
  const DropoutForwardWork<Y> work{
      .batch = PagedBatchOf(attention.batch, attention.pool, attention.layer),
      .q = attention.q.data<float>(),
      .y = reinterpret_cast<Y*>(attention.y.bytes()),
      .num_heads = static_cast<int>(attention.q.dim(1)),
      .scale = attention.scale,
      .window = attention.window,
      .mask = args.mask.fields()};
  Launch("dropout_attention", RowsShape(attention), context.stream, DropoutForwardKernel<T, Y>,
         work);
}

template <typename T>
void RunForward(Context& context, const DropoutAttentionArgs& args) {
  if (args.attention.y.dtype() == DType::kF32) return RunForward<T, float>(context, args);
  RunForward<T, __nv_bfloat16>(context, args);
}

template <typename T>
void RunBackward(Context& context, const DropoutAttentionBackwardArgs& args) {
  const AttentionBackwardArgs& attention = args.attention;
  WorkspaceScope scratch(context.workspace);
  auto* const rows = scratch.Take<float4>(attention.q.dim(0) * attention.q.dim(1));
  const PlainBackwardWork work{
      .batch = PagedBatchOf(attention.batch, attention.pool, attention.layer),
      .q = attention.q.data<float>(),
      .dy = attention.dy.data<float>(),
      .rows = rows,
      .dq = attention.dq.data<float>(),
      .dk = attention.dk.data<float>(),
      .dv = attention.dv.data<float>(),
      .num_tokens = attention.q.dim(0),
      .num_heads = static_cast<int>(attention.q.dim(1)),
      .scale = attention.scale,
      .window = attention.window,
      .mask = args.mask.fields()};
  Launch("dropout_attention_rows", RowsShape(attention), context.stream, DropoutRowsKernel<T>, work,
         rows);
  LaunchPlainBackward<T, true>(context, work);
}

}  // namespace

void DropoutAttention(Context& context, const DropoutAttentionArgs& args) {
  if (args.attention.q.num_elements() == 0) return;
  CheckPlainDim(args.attention.q.dim(2));
  if (args.attention.pool.layout().dtype == DType::kF32) return RunForward<float>(context, args);
  RunForward<__nv_bfloat16>(context, args);
}

void DropoutAttentionBackward(Context& context, const DropoutAttentionBackwardArgs& args) {
  if (args.attention.q.num_elements() == 0) return;
  CheckPlainDim(args.attention.q.dim(2));
  if (args.attention.pool.layout().dtype == DType::kF32) return RunBackward<float>(context, args);
  RunBackward<__nv_bfloat16>(context, args);
}

}  // namespace tandem::cuda
