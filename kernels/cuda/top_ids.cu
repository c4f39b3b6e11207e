// The best ids of rows: a block finds the lowest logit that is among a row's best, collects those
// ids, and ranks each by comparing it with all others. Logits are compared as integers of the same
// order. Some ten passes over the row, which stays in a cache.

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/block_search.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/row_threads.h"
#include "kernels/sampling.h"

namespace tandem::cuda {
namespace {

struct Candidate {
  uint32_t key;
  int32_t id;
};

struct TopIdsWork {
  const float* logits;
  int32_t* ids;
  Candidate* candidates;  // [rows, count]
  int vocab;
  int count;
};

// Ascends with the logit; zeros are one, and NaN is -infinity.
__device__ __forceinline__ uint32_t KeyOf(float logit) {
  if (logit != logit) logit = -INFINITY;
  const uint32_t bits = __float_as_uint(logit + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

__global__ void __launch_bounds__(kMaxRowThreads) TopIdsKernel(TopIdsWork work) {
  AwaitPrevious();
  LetNextStart();
  const float* logits = work.logits + int64_t{blockIdx.x} * work.vocab;
  int32_t* ids = work.ids + int64_t{blockIdx.x} * work.count;
  Candidate* candidates = work.candidates + int64_t{blockIdx.x} * work.count;
  auto& scratch = StaticShared<SearchScratch>();
  const auto key = [&](int i) { return KeyOf(logits[i]); };
  const Cut cut = FindCut<Measure::kCount>(
      work.vocab, KeyOf(-INFINITY), KeyOf(INFINITY) + 1, static_cast<unsigned>(work.vocab),
      static_cast<uint64_t>(work.count), key,
      [](uint32_t low, uint32_t high) { return low + (high - low) / 2; }, scratch);
  const int ties = static_cast<int>(cut.ties);
  const int above = work.count - ties;
  Collect(
      work.vocab, [&](int i) { return key(i) > cut.low; },
      [&](int place, int i) {
        candidates[place] = {key(i), i};
      },
      scratch);
  Collect(
      work.vocab, [&](int i) { return key(i) == cut.low; },
      [&](int place, int i) {
        if (place < ties) candidates[above + place] = {cut.low, i};
      },
      scratch);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < work.count; i += static_cast<int>(blockDim.x)) {
    const Candidate own = candidates[i];
    int rank = 0;
    for (int j = 0; j < work.count; ++j) {
      const Candidate other = candidates[j];
      rank += other.key > own.key || (other.key == own.key && other.id < own.id) ? 1 : 0;
    }
    ids[rank] = own.id;
  }
}

}  // namespace

void TopIds(Context& context, const TopIdsArgs& args) {
  const int64_t rows = args.logits.dim(0);
  if (rows == 0) return;
  WorkspaceScope scratch(context.workspace);
  const TopIdsWork work{
      .logits = args.logits.data<float>(),
      .ids = args.ids.data<int32_t>(),
      .candidates = scratch.Take<Candidate>(args.ids.num_elements()),
      .vocab = static_cast<int>(args.logits.dim(1)),
      .count = static_cast<int>(args.ids.dim(1)),
  };
  const LaunchShape shape{
      .grid = static_cast<unsigned>(rows), .block = RowThreads(work.vocab), .waits_inside = true};
  Launch("top_ids", shape, context.stream, TopIdsKernel, work);
}

}  // namespace tandem::cuda
