// A block draws a row's token: the logits' largest, integer weights of them, the cuts of top-k and
// top-p by search (primitives/block_search.cuh), and the first id at which the weights' ascending
// sum passes the random number. Weights are the CPU's bit for bit (the same exponential and
// rounding) and their sums are exact, so the token is the CPU's. A row's weights lie in shared
// memory, or in scratch memory when the vocabulary is too large; what is read again and again stays
// near. Bound by the latency of some ten to twenty sums over the block.
//
// Rows travel in the kernel's parameters. Only rows with penalties, biases or banned ids have lists
// besides, which are copied to the device in one piece.

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "kernels/core/device_memory.h"
#include "kernels/cpu/sampling_rows.h"
#include "kernels/cpu/truncation.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/block_search.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/row_threads.h"
#include "kernels/sampling.h"

namespace tandem::cuda {
namespace {

using cpu::kWeightOfMax;

constexpr int kRowsPerLaunch = 64;
constexpr int64_t kSharedBytes = 150 << 10;  // of a row, on sm_80 too

// How one row is drawn.
struct RowWork {
  double uniform;  // in [0, 1)
  int is_greedy;
  float inverse_temperature;
  int top_k;  // 0: all
  float top_p;
  int min_weight;   // of min-p; 0: none
  int adjustments;  // where the row's are in SampleWork::lists; -1: none
};

// Stands in the lists before the words that it counts.
struct Adjustments {
  float repetition_penalty;
  float frequency_penalty;
  float presence_penalty;
  int num_prompt;  // ids; none when only the output counts
  int num_output;  // ids
  int num_bias;    // ids, then as many floats
  int num_banned;  // ids
};
constexpr int kHeaderWords = sizeof(Adjustments) / sizeof(int32_t);

struct SampleWork {
  const float* logits;   // [rows, vocab]
  int32_t* ids;          // [rows]
  const int32_t* lists;  // on the device
  uint32_t* scratch;     // [rows, row_words], or null: shared memory
  int64_t row_words;     // weights [vocab], then adjusted logits [vocab] where a row has some
  int vocab;
  RowWork rows[kRowsPerLaunch];
};

// ---- Penalties, biases and bans ----

__device__ float Penalised(const Adjustments& how, float logit, uint32_t output_count) {
  if (how.repetition_penalty != 1.0f) {
    logit =
        logit > 0.0f ? __fdiv_rn(logit, how.repetition_penalty) : logit * how.repetition_penalty;
  }
  if (output_count > 0) {
    logit = logit - how.frequency_penalty * static_cast<float>(output_count);
    logit = logit - how.presence_penalty;
  }
  return logit;
}

// An entry adds all biases of its id in their order, unless an earlier entry has the id.
__device__ void AddBias(int i, int num_bias, const int32_t* ids, const float* biases,
                        float* logits) {
  for (int j = 0; j < i; ++j) {
    if (ids[j] == ids[i]) return;
  }
  float logit = logits[ids[i]];
  for (int j = i; j < num_bias; ++j) {
    if (ids[j] == ids[i]) logit += biases[j];
  }
  logits[ids[i]] = logit;
}

// From `logits` to `adjusted`. counts [vocab]: twice the times that an id was in the output, and
// one if it was in the prompt.
__device__ void Adjust(const int32_t* lists, int vocab, const float* logits, float* adjusted,
                       uint32_t* counts) {
  const Adjustments how = *reinterpret_cast<const Adjustments*>(lists);
  const int32_t* const prompt = lists + kHeaderWords;
  const int32_t* const output = prompt + how.num_prompt;
  const int32_t* const bias_ids = output + how.num_output;
  const auto* const biases = reinterpret_cast<const float*>(bias_ids + how.num_bias);
  const int32_t* const banned = bias_ids + 2 * how.num_bias;
  const int first = static_cast<int>(threadIdx.x);
  const int step = static_cast<int>(blockDim.x);
  __syncthreads();
  for (int i = first; i < vocab; i += step) counts[i] = 0;
  __syncthreads();
  for (int i = first; i < how.num_prompt; i += step) counts[prompt[i]] = 1;
  __syncthreads();
  for (int i = first; i < how.num_output; i += step) atomicAdd(&counts[output[i]], 2u);
  __syncthreads();
  for (int i = first; i < vocab; i += step) {
    const uint32_t count = counts[i];
    adjusted[i] = count > 0 ? Penalised(how, logits[i], count / 2) : logits[i];
  }
  __syncthreads();
  for (int i = first; i < how.num_bias; i += step) {
    AddBias(i, how.num_bias, bias_ids, biases, adjusted);
  }
  __syncthreads();
  for (int i = first; i < how.num_banned; i += step) adjusted[banned[i]] = -INFINITY;
}

// ---- The draw ----

// Halves the ratio of the bounds first, then their distance: weights fall off exponentially.
__device__ uint32_t MiddleWeight(uint32_t low, uint32_t high) {
  if (high / 4 < low) return low + (high - low) / 2;
  const int zeros = (__clz(static_cast<int>(low)) + __clz(static_cast<int>(high))) / 2;
  return 1u << (31 - zeros);
}

template <Measure kMeasure>
__device__ uint32_t CutTo(uint64_t need, uint32_t low, unsigned in_range, int vocab,
                          uint32_t* weights, SearchScratch& scratch) {
  const auto weight = [&](int i) { return weights[i]; };
  const Cut cut = FindCut<kMeasure>(vocab, low, kWeightOfMax + 1, in_range, need, weight,
                                    MiddleWeight, scratch);
  if (cut.ties < cut.num_equal) {  // of equal weights the lower ids stay
    Collect(
        vocab, [&](int i) { return weights[i] == cut.low; },
        [&](int place, int i) {
          if (place >= static_cast<int>(cut.ties)) weights[i] = 0;
        },
        scratch);
  }
  return cut.low;
}

__device__ uint64_t MassNeeded(float top_p, uint64_t total) {
  const auto all = static_cast<double>(total);
  const double mass = ceil(static_cast<double>(top_p) * all);
  return static_cast<uint64_t>(mass < 1.0 ? 1.0 : mass > all ? all : mass);
}

__device__ int DrawFrom(const RowWork& how, const float* logits, float largest, int vocab,
                        uint32_t* weights, SearchScratch& scratch) {
  for (int i = static_cast<int>(threadIdx.x); i < vocab; i += static_cast<int>(blockDim.x)) {
    const float e = Exp((logits[i] - largest) * how.inverse_temperature);
    weights[i] =
        static_cast<uint32_t>(static_cast<int>(e * static_cast<float>(kWeightOfMax) + 0.5f));
  }
  const auto mass_from = [&](uint32_t low) {
    return MassOf(
        vocab, low, kWeightOfMax + 1, [&](int i) { return weights[i]; }, scratch);
  };
  uint32_t low = 1;
  Mass mass = mass_from(low);
  if (how.top_k > 0 && mass.count > static_cast<unsigned>(how.top_k)) {
    low = CutTo<Measure::kCount>(static_cast<uint64_t>(how.top_k), low, mass.count, vocab, weights,
                                 scratch);
    mass = mass_from(low);
  }
  if (how.top_p < 1.0f) {
    low = CutTo<Measure::kSum>(MassNeeded(how.top_p, mass.sum), low, mass.count, vocab, weights,
                               scratch);
  }
  if (how.top_p < 1.0f || how.min_weight > 0) {
    const auto least = static_cast<uint32_t>(how.min_weight);
    if (least > low) low = least;
    mass = mass_from(low);
  }
  const auto scaled = static_cast<uint64_t>(how.uniform * static_cast<double>(mass.sum));
  const uint64_t target = scaled < mass.sum - 1 ? scaled : mass.sum - 1;
  return FindAscending(
      vocab, target, [&](int i) { return uint64_t{weights[i] >= low ? weights[i] : 0u}; }, scratch);
}

__device__ bool IsNumber(float value) { return value > -INFINITY && value < INFINITY; }

__global__ void __launch_bounds__(kMaxRowThreads) SampleKernel(SampleWork work) {
  AwaitPrevious();
  LetNextStart();
  auto& scratch = StaticShared<SearchScratch>();
  const RowWork& how = work.rows[blockIdx.x];
  const int vocab = work.vocab;
  const float* logits = work.logits + int64_t{blockIdx.x} * vocab;
  uint32_t* const weights = work.scratch != nullptr ? work.scratch + blockIdx.x * work.row_words
                                                    : reinterpret_cast<uint32_t*>(DynamicShared());
  const auto logit = [&](int i) { return logits[i]; };
  float largest = LargestOf(vocab, logit, scratch);
  if (IsNumber(largest) && how.adjustments >= 0) {
    auto* const adjusted = reinterpret_cast<float*>(weights + vocab);
    Adjust(work.lists + how.adjustments, vocab, logits, adjusted, weights);
    logits = adjusted;
    largest = LargestOf(vocab, logit, scratch);
  }
  int id = -1;
  if (IsNumber(largest)) {  // the whole block agrees
    id = how.is_greedy != 0
             ? FindAscending(
                   vocab, 0, [&](int i) { return uint64_t{logits[i] == largest ? 1u : 0u}; },
                   scratch)
             : DrawFrom(how, logits, largest, vocab, weights, scratch);
  }
  if (threadIdx.x == 0) work.ids[blockIdx.x] = id;
}

// ---- On the host ----

bool HasPenalties(const SampleRow& row) {
  return row.repetition_penalty != 1.0f || row.frequency_penalty != 0.0f ||
         row.presence_penalty != 0.0f;
}

bool IsAdjusted(const SampleRow& row) {
  return HasPenalties(row) || !row.bias.empty() || !row.banned.empty();
}

bool IsGreedy(const SampleRow& row) { return row.temperature == 0.0f || row.top_k == 1; }

void AppendId(int32_t id, int64_t vocab, std::vector<int32_t>& lists) {
  CHECK(id >= 0 && id < vocab, id, vocab);
  lists.push_back(id);
}

void AppendAdjustments(const SampleRow& row, int64_t vocab, std::vector<int32_t>& lists) {
  // Frequency and presence look at the output alone.
  const auto prompt = row.repetition_penalty != 1.0f ? row.prompt : std::span<const int32_t>();
  const auto output = HasPenalties(row) ? row.output : std::span<const int32_t>();
  const Adjustments header{.repetition_penalty = row.repetition_penalty,
                           .frequency_penalty = row.frequency_penalty,
                           .presence_penalty = row.presence_penalty,
                           .num_prompt = static_cast<int>(prompt.size()),
                           .num_output = static_cast<int>(output.size()),
                           .num_bias = static_cast<int>(row.bias.size()),
                           .num_banned = static_cast<int>(row.banned.size())};
  const auto words = std::bit_cast<std::array<int32_t, kHeaderWords>>(header);
  lists.insert(lists.end(), words.begin(), words.end());
  for (const int32_t id : prompt) AppendId(id, vocab, lists);
  for (const int32_t id : output) AppendId(id, vocab, lists);
  for (const LogitBias& bias : row.bias) AppendId(bias.id, vocab, lists);
  for (const LogitBias& bias : row.bias) lists.push_back(std::bit_cast<int32_t>(bias.bias));
  for (const int32_t id : row.banned) AppendId(id, vocab, lists);
}

RowWork WorkOf(const SampleRow& row, int64_t vocab, std::vector<int32_t>& lists) {
  RowWork work{
      .uniform = RandomUniform(row.key),
      .is_greedy = IsGreedy(row) ? 1 : 0,
      .inverse_temperature = cpu::InverseTemperature(row.temperature),
      .top_k = row.top_k,
      .top_p = row.top_p,
      .min_weight = row.min_p > 0.0f ? cpu::MinPBound(row.min_p) : 0,
      .adjustments = -1,
  };
  if (IsAdjusted(row)) {
    work.adjustments = static_cast<int>(lists.size());
    AppendAdjustments(row, vocab, lists);
  }
  return work;
}

// Words of scratch that any of the rows needs.
int64_t RowWords(std::span<const SampleRow> rows, int64_t vocab) {
  int64_t words = 0;
  for (const SampleRow& row : rows) {
    words = std::max(words, IsAdjusted(row) ? 2 * vocab : IsGreedy(row) ? 0 : vocab);
  }
  return words;
}

void SampleSome(Context& context, const SampleArgs& args, int64_t first, int64_t count) {
  const int64_t vocab = args.logits.dim(1);
  const auto rows = args.rows.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  WorkspaceScope scope(context.workspace);
  SampleWork work{
      .logits = args.logits.Rows(first, count).data<float>(),
      .ids = args.ids.Rows(first, count).data<int32_t>(),
      .lists = nullptr,
      .scratch = nullptr,
      .row_words = RowWords(rows, vocab),
      .vocab = static_cast<int>(vocab),
      .rows = {},
  };
  std::vector<int32_t> lists;  // takes memory only where rows have adjustments
  for (size_t i = 0; i < rows.size(); ++i) work.rows[i] = WorkOf(rows[i], vocab, lists);
  if (!lists.empty()) {
    const Shape shape{static_cast<int64_t>(lists.size())};
    // By powers of two: lists grow with every token, and the workspace should not each time.
    auto* const to = scope.Take<int32_t>(static_cast<int64_t>(std::bit_ceil(lists.size())));
    Copy(context, ConstTensorView(lists.data(), shape),
         {reinterpret_cast<std::byte*>(to), DType::kI32, shape, context.device});
    work.lists = to;
  }
  int64_t shared_bytes = work.row_words * 4;
  if (shared_bytes > kSharedBytes) {
    work.scratch = scope.Take<uint32_t>(count * work.row_words);
    shared_bytes = 0;
  }
  const LaunchShape shape{.grid = static_cast<unsigned>(count),
                          .block = RowThreads(vocab),
                          .shared_bytes = static_cast<size_t>(shared_bytes),
                          .waits_inside = true};
  Launch("sample", shape, context.stream, SampleKernel, work);
}

}  // namespace

void Sample(Context& context, const SampleArgs& args) {
  const ScopedFlushDenormals flush;  // a temperature that is one is zero, as on the CPU
  const auto rows = static_cast<int64_t>(args.rows.size());
  for (int64_t first = 0; first < rows; first += kRowsPerLaunch) {
    SampleSome(context, args, first, std::min<int64_t>(rows - first, kRowsPerLaunch));
  }
}

}  // namespace tandem::cuda
