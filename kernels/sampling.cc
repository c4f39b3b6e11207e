#include "kernels/sampling.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/cpu/sampling_rows.h"
#include "kernels/cpu/truncation.h"
#include "kernels/device_ops.h"

namespace tandem {
namespace {

const cpu::SamplingFunctions& FunctionsOf(InstructionSet isa) {
  return *cpu::RowsOf(isa, cpu::portable::kSampling, cpu::avx2::kSampling, cpu::avx512::kSampling);
}

// What one thread needs to draw from one row.
struct Scratch {
  float* adjusted = nullptr;          // [vocab]
  int32_t* weights = nullptr;         // [vocab, padded to 16]
  cpu::TruncationScratch truncation;  // its work also counts the ids of penalties
};

Scratch TakeScratch(WorkspaceScope& scope, int64_t vocab) {
  const int64_t padded = (vocab + 15) / 16 * 16;
  const int64_t room = padded + 32;
  return {.adjusted = scope.Take<float>(vocab),
          .weights = scope.Take<int32_t>(padded),
          .truncation = {.ids = scope.Take<int32_t>(room),
                         .weights = scope.Take<int32_t>(room),
                         .work = scope.Take<int32_t>(room)}};
}

bool HasPenalties(const SampleRow& row) {
  return row.repetition_penalty != 1.0f || row.frequency_penalty != 0.0f ||
         row.presence_penalty != 0.0f;
}

float Penalised(const SampleRow& row, float logit, int32_t output_count) {
  if (row.repetition_penalty != 1.0f) {
    logit = logit > 0.0f ? logit / row.repetition_penalty : logit * row.repetition_penalty;
  }
  if (output_count > 0) {
    logit = logit - row.frequency_penalty * static_cast<float>(output_count);
    logit = logit - row.presence_penalty;
  }
  return logit;
}

// Once for each distinct id. counts is uninitialised: only the entries of ids that occur are
// touched.
void Penalise(const SampleRow& row, int64_t vocab, float* logits, int32_t* counts) {
  constexpr int32_t kDone = -1;
  // Frequency and presence look at the output alone.
  const auto prompt = row.repetition_penalty != 1.0f ? row.prompt : std::span<const int32_t>();
  for (const std::span<const int32_t> ids : {prompt, row.output}) {
    for (const int32_t id : ids) {
      CHECK(id >= 0 && id < vocab, id, vocab);
      counts[id] = 0;
    }
  }
  for (const int32_t id : row.output) ++counts[id];
  for (const std::span<const int32_t> ids : {prompt, row.output}) {
    for (const int32_t id : ids) {
      if (counts[id] == kDone) continue;
      logits[id] = Penalised(row, logits[id], counts[id]);
      counts[id] = kDone;
    }
  }
}

void Adjust(const SampleRow& row, int64_t vocab, float* logits, int32_t* counts) {
  if (HasPenalties(row)) Penalise(row, vocab, logits, counts);
  for (const LogitBias& bias : row.bias) {
    CHECK(bias.id >= 0 && bias.id < vocab, bias.id, vocab);
    logits[bias.id] += bias.bias;
  }
  for (const int32_t id : row.banned) {
    CHECK(id >= 0 && id < vocab, id, vocab);
    logits[id] = -std::numeric_limits<float>::infinity();
  }
}

uint64_t TargetOf(const RandomKey& key, uint64_t total) {
  const double scaled = RandomUniform(key) * static_cast<double>(total);
  return std::min(static_cast<uint64_t>(scaled), total - 1);
}

int64_t DrawFrom(const cpu::SamplingFunctions& functions, const float* logits, int64_t vocab,
                 const SampleRow& row, const Scratch& scratch) {
  const cpu::RowExtent extent = functions.scan(logits, vocab);
  if (!extent.finite || std::isinf(extent.max)) return -1;
  const float inverse_temperature = cpu::InverseTemperature(row.temperature);
  const cpu::WeightedRow weighted{
      .weights = scratch.weights,
      .count = (vocab + 15) / 16 * 16,
      .total = functions.weigh(logits, vocab, extent.max, inverse_temperature, scratch.weights)};
  const cpu::Truncation truncation{.top_k = row.top_k, .top_p = row.top_p, .min_p = row.min_p};
  if (!truncation.Any()) {
    return functions.draw(weighted.weights, weighted.count, 1, TargetOf(row.key, weighted.total));
  }
  const cpu::Candidates left = cpu::Truncate(functions, truncation, weighted, scratch.truncation);
  return left
      .ids[functions.draw(left.weights, left.count, left.low, TargetOf(row.key, left.total))];
}

int64_t SampleOne(const cpu::SamplingFunctions& functions, const float* logits, int64_t vocab,
                  const SampleRow& row, const Scratch& scratch) {
  if (HasPenalties(row) || !row.bias.empty() || !row.banned.empty()) {
    if (!functions.scan(logits, vocab).finite) return -1;
    std::memcpy(scratch.adjusted, logits, static_cast<size_t>(vocab) * sizeof(float));
    Adjust(row, vocab, scratch.adjusted, scratch.truncation.work);
    logits = scratch.adjusted;
  }
  if (row.temperature == 0.0f || row.top_k == 1) return functions.arg_max(logits, vocab);
  return DrawFrom(functions, logits, vocab, row, scratch);
}

// Fills `heap` with the row's best ids, in descending order.
void TopIdsOfRow(const cpu::SamplingFunctions& functions, std::span<const float> logits,
                 std::span<int32_t> heap) {
  const auto value = [&](int32_t id) {
    const float logit = logits[static_cast<size_t>(id)];
    return std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit;
  };
  const auto better = [&](int32_t a, int32_t b) {
    return value(a) > value(b) || (value(a) == value(b) && a < b);
  };
  // A heap whose top is the worst of the best so far; most ids are refused sixteen at a time.
  std::iota(heap.begin(), heap.end(), 0);
  std::make_heap(heap.begin(), heap.end(), better);
  const auto size = static_cast<int64_t>(logits.size());
  for (auto i = static_cast<int64_t>(heap.size());; ++i) {
    i = functions.find_above(logits.data(), i, size, value(heap.front()));
    if (i >= size) break;
    std::pop_heap(heap.begin(), heap.end(), better);
    heap.back() = static_cast<int32_t>(i);
    std::push_heap(heap.begin(), heap.end(), better);
  }
  std::sort_heap(heap.begin(), heap.end(), better);
}

}  // namespace

void LogSoftmaxStatistics(Context& context, const LogSoftmaxStatisticsArgs& args) {
  ShapeCheck check("LogSoftmaxStatistics");
  Dim rows{"rows"}, vocab{"vocab"}, two{"two", 2};
  check.Match("logits", args.logits, {rows, vocab}).Type("logits", args.logits, {DType::kF32});
  check.Match("statistics", args.statistics, {rows, two})
      .Type("statistics", args.statistics, {DType::kF32});
  const float temperature = args.temperature;
  CHECK(temperature > 0.0f, temperature);
  if (RunOnDevice(context, &DeviceOps::log_softmax_statistics, "LogSoftmaxStatistics", args)) {
    return;
  }
  const float* data = args.logits.data<float>();
  float* out = args.statistics.data<float>();
  const cpu::SamplingFunctions& functions = FunctionsOf(context.isa);
  context.pool.ForRanges(rows, cpu::GrainRows(4 * vocab), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* values = data + row * vocab;
      float& max = out[2 * row];
      float& log_sum = out[2 * row + 1];
      max = log_sum = std::numeric_limits<float>::quiet_NaN();
      const cpu::RowExtent extent = functions.scan(values, vocab);
      if (!extent.finite || std::isinf(extent.max)) continue;
      max = temperature == 1.0f ? extent.max : extent.max / temperature;
      const float sum = functions.sum_exp(values, vocab, temperature, max);
      log_sum = static_cast<float>(std::log(static_cast<double>(sum)));
    }
  });
}

void PickLogProbs(Context& context, const PickLogProbsArgs& args) {
  ShapeCheck check("PickLogProbs");
  Dim rows{"rows"}, vocab{"vocab"}, two{"two", 2}, count{"count"};
  check.Match("logits", args.logits, {rows, vocab}).Type("logits", args.logits, {DType::kF32});
  check.Match("statistics", args.statistics, {rows, two})
      .Type("statistics", args.statistics, {DType::kF32});
  check.Match("ids", args.ids, {rows, count}).Type("ids", args.ids, {DType::kI32});
  check.Match("log_probs", args.log_probs, {rows, count})
      .Type("log_probs", args.log_probs, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::pick_log_probs, "PickLogProbs", args)) return;
  const float* logits = args.logits.data<float>();
  const int32_t* ids = args.ids.data<int32_t>();
  float* log_probs = args.log_probs.data<float>();
  for (int64_t row = 0; row < rows; ++row) {
    const RowStatistics statistics = StatisticsOf(args.statistics, row);
    for (int64_t i = row * count; i < (row + 1) * count; ++i) {
      log_probs[i] = ids[i] >= 0 && ids[i] < vocab
                         ? statistics.LogProb(logits[row * vocab + ids[i]])
                         : std::numeric_limits<float>::quiet_NaN();
    }
  }
}

void TopIds(Context& context, const TopIdsArgs& args) {
  ShapeCheck check("TopIds");
  Dim rows{"rows"}, vocab{"vocab"}, count{"count"};
  check.Match("logits", args.logits, {rows, vocab}).Type("logits", args.logits, {DType::kF32});
  check.Match("ids", args.ids, {rows, count}).Type("ids", args.ids, {DType::kI32});
  CHECK(count <= vocab, count.value(), vocab.value());
  if (count == 0) return;
  if (RunOnDevice(context, &DeviceOps::top_ids, "TopIds", args)) return;
  const float* logits = args.logits.data<float>();
  int32_t* ids = args.ids.data<int32_t>();
  const cpu::SamplingFunctions& functions = FunctionsOf(context.isa);
  context.pool.ForRanges(rows, cpu::GrainRows(vocab), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      TopIdsOfRow(functions, {logits + row * vocab, static_cast<size_t>(vocab.value())},
                  {ids + row * count, static_cast<size_t>(count.value())});
    }
  });
}

void Sample(Context& context, const SampleArgs& args) {
  ShapeCheck check("Sample");
  Dim num_rows{"rows", static_cast<int64_t>(args.rows.size())}, vocab{"vocab"};
  check.Match("logits", args.logits, {num_rows, vocab}).Type("logits", args.logits, {DType::kF32});
  check.Match("ids", args.ids, {num_rows}).Type("ids", args.ids, {DType::kI32});
  if (args.rows.empty()) return;
  if (RunOnDevice(context, &DeviceOps::sample, "Sample", args)) return;
  const float* data = args.logits.data<float>();
  int32_t* ids = args.ids.data<int32_t>();
  const cpu::SamplingFunctions& functions = FunctionsOf(context.isa);

  const bool parallel = num_rows >= 2 && num_rows * vocab >= 2 * 8192;
  WorkspaceScope scope(context.workspace);
  const int num_threads = parallel ? context.pool.num_threads() : 1;
  auto* scratches = scope.Take<Scratch>(num_threads);
  for (int thread = 0; thread < num_threads; ++thread) {
    scratches[thread] = TakeScratch(scope, vocab);
  }
  const auto draw = [&](int thread, int count) {
    const Range range = SplitRange(num_rows, thread, count);
    for (int64_t row = range.begin; row < range.end; ++row) {
      ids[row] =
          static_cast<int32_t>(SampleOne(functions, data + row * vocab, vocab,
                                         args.rows[static_cast<size_t>(row)], scratches[thread]));
    }
  };
  if (parallel) {
    context.pool.Run(draw);
  } else {
    const ScopedFlushDenormals flush;
    draw(0, 1);
  }
}

}  // namespace tandem
