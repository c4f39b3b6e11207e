#include "engine/model_runner.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/weights/loader.h"
#include "engine/weights/tensor_table.h"
#include "kernels/core/devices.h"

namespace tandem {
namespace {

// Rows that go through the output head at once: bounds the logits buffer for large vocabularies.
constexpr int64_t kLogitRows = 64;
// Of the available memory, what the KV pool may take when its size is not given.
constexpr double kKvShare = 0.4;
// Of a device's own memory, what stays free for the scratch of ops.
constexpr int64_t kScratchBytes = int64_t{256} << 20;

ModelConfig Adjusted(ModelConfig config, const ModelRunnerOptions& options) {
  if (!options.rope_scaling.empty()) ApplyRopeScaling(options.rope_scaling, config);
  return config;
}

// What is served may be shorter than what the model can do; its RoPE stays the model's own (some
// scalings depend on the length of the whole table).
int64_t ServedContext(const ModelConfig& config, const ModelRunnerOptions& options) {
  const int64_t longest = config.max_context();
  if (options.max_context < 0 || options.max_context > longest) {
    throw ConfigError("max-model-len " + std::to_string(options.max_context) + " is outside 1.." +
                      std::to_string(longest) +
                      ", the model's context; --rope-scaling lengthens it");
  }
  return options.max_context > 0 ? options.max_context : longest;
}

KvLayout LayoutOf(const ModelConfig& config, const ModelRunnerOptions& options) {
  const bool wide = options.dtype == DType::kF32 || options.dtype == DType::kF16;
  return {.num_layers = config.num_layers,
          .num_kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim,
          .dtype = options.kv_dtype.value_or(wide ? DType::kF32 : DType::kBf16)};
}

// Of the machine's memory, or of the device's own what the share leaves after weights and
// activations, which are there by now.
int64_t MemoryLeftForKv(const ModelRunnerOptions& options) {
  const DeviceReport report = ReportOf(options.device);
  if (options.device == kCpuDevice) {
    return static_cast<int64_t>(kKvShare * static_cast<double>(report.free_bytes));
  }
  const auto given =
      static_cast<int64_t>(options.device_memory_share * static_cast<double>(report.memory_bytes));
  const int64_t taken = report.memory_bytes - report.free_bytes;
  return std::max<int64_t>(given - taken - kScratchBytes, 0);
}

// Enough for max_sequences full contexts, but no more than the memory that was given or is there.
int64_t NumPages(const ModelConfig& config, const ModelRunnerOptions& options) {
  const int64_t page_bytes = LayoutOf(config, options).page_bytes();
  const int64_t context_pages =
      (ServedContext(config, options) + KvLayout::kPageTokens - 1) / KvLayout::kPageTokens;
  const int64_t useful = context_pages * options.max_sequences;
  const int64_t bytes = options.kv_bytes > 0 ? options.kv_bytes : MemoryLeftForKv(options);
  const int64_t pages = std::min(bytes / page_bytes, useful);
  if (pages < 1) {
    throw ConfigError("the KV cache has " + std::to_string(bytes) + " bytes, one page takes " +
                      std::to_string(page_bytes) +
                      "; give more with --kv-cache-memory (on a GPU: or a higher "
                      "--gpu-memory-utilization), or free memory");
  }
  return pages;
}

const ModelRunnerOptions& Checked(const ModelRunnerOptions& options) {
  if (options.max_sequences < 1 || options.max_step_tokens < options.max_sequences) {
    throw ConfigError("max-num-batched-tokens (" + std::to_string(options.max_step_tokens) +
                      ") must be at least max-num-seqs (" + std::to_string(options.max_sequences) +
                      "), which must be at least 1");
  }
  return options;
}

RunnerLimits LimitsOf(const ModelConfig& config, const ModelRunnerOptions& options) {
  return {.num_pages = NumPages(config, options),
          .page_tokens = KvLayout::kPageTokens,
          .max_context = ServedContext(config, options),
          .max_step_tokens = options.max_step_tokens,
          .max_sequences = options.max_sequences,
          .vocab_size = config.vocab_size};
}

int Threads(const ModelRunnerOptions& options) {
  return options.num_threads > 0 ? options.num_threads : AvailableProcessors();
}

}  // namespace

std::unique_ptr<ModelRunner> ModelRunner::Load(const std::filesystem::path& directory,
                                               const ModelRunnerOptions& options) {
  const ModelConfig config = ReadModelConfig(directory);
  const TensorTable table = ReadSafetensors(directory);
  ThreadPool pool(Threads(options));
  Workspace workspace;
  Context context{.pool = pool, .isa = options.isa, .workspace = workspace};
  ModelWeights weights = LoadWeights(context, table, config, options.dtype, directory.string());
  return std::make_unique<ModelRunner>(config, std::move(weights), options);
}

ModelRunner::ModelRunner(ModelConfig config, ModelWeights weights,
                         const ModelRunnerOptions& options)
    : config_(Adjusted(std::move(config), options)),
      options_(Checked(options)),
      pool_(Threads(options)),
      workspace_(options.device),
      stream_(options.device),
      context_{.pool = pool_,
               .isa = options.isa,
               .device = options.device,
               .stream = stream_.handle(),
               .workspace = workspace_},
      weights_(MoveToDevice(context_, std::move(weights))),
      transformer_(config_, weights_, options.max_step_tokens),
      logits_(DType::kF32, {kLogitRows, config_.vocab_size}, options.device),
      limits_(LimitsOf(config_, options)),
      kv_(LayoutOf(config_, options), limits_.num_pages, options.device) {
  Synchronize(context_);
}

MemoryReport ModelRunner::memory() const {
  const KvLayout& layout = kv_.layout();
  return {.weight_bytes = weights_.size_bytes(),
          .activation_bytes = transformer_.activation_bytes() + logits_.size_bytes(),
          .kv_bytes = kv_.num_pages() * layout.page_bytes(),
          .kv_token_bytes = layout.page_bytes() / KvLayout::kPageTokens,
          .kv_tokens = kv_.num_pages() * KvLayout::kPageTokens};
}

std::string ModelRunner::DescribePlace() const {
  if (options_.device == kCpuDevice) {
    return std::string(Name(options_.isa)) + ", " + std::to_string(num_threads()) + " threads";
  }
  const DeviceReport report = ReportOf(options_.device);
  return report.name + " (" + report.architecture + ")";
}

void ModelRunner::Run(const StepBatch& batch, StepResult& result) {
  result.sequences.resize(batch.sequences.size());
  for (SequenceResult& sequence : result.sequences) {
    sequence.sampled.reset();
    sequence.prompt.clear();
  }
  if (batch.sequences.empty()) return;
  tokens_.Assign(context_, batch.sequences);
  transformer_.Forward(context_, tokens_, kv_);
  CollectWantedRows(batch);
  for (size_t begin = 0; begin < wanted_.size(); begin += kLogitRows) {
    const size_t count = std::min<size_t>(wanted_.size() - begin, kLogitRows);
    FinishRows(batch, std::span(wanted_).subspan(begin, count), result);
  }
}

void ModelRunner::CollectWantedRows(const StepBatch& batch) {
  wanted_.clear();
  int64_t first_row = 0;  // of the sequence, in the batch
  for (size_t index = 0; index < batch.sequences.size(); ++index) {
    const SequenceStep& sequence = batch.sequences[index];
    if (sequence.prompt_logprobs) {
      for (int64_t i = 0; i < sequence.count; ++i) {
        const int64_t next = sequence.first + i + 1;
        if (next >= sequence.num_prompt) break;
        wanted_.push_back({.sequence = static_cast<int32_t>(index),
                           .token_row = static_cast<int32_t>(first_row + i),
                           .next = sequence.history[static_cast<size_t>(next)]});
      }
    }
    if (sequence.sample) {
      wanted_.push_back({.sequence = static_cast<int32_t>(index),
                         .token_row = static_cast<int32_t>(first_row + sequence.count - 1)});
    }
    first_row += sequence.count;
  }
}

// The row's banned ids go to the end of `banned_`, which has room for them.
SampleRow ModelRunner::DescribeDraw(const SequenceStep& sequence) {
  const SamplingParams& params = *sequence.sampling;
  const auto num_prompt = static_cast<size_t>(sequence.num_prompt);
  const size_t first_banned = banned_.size();
  if (static_cast<int64_t>(sequence.history.size()) - sequence.num_prompt < params.min_tokens) {
    banned_.insert(banned_.end(), sequence.eos_ids.begin(), sequence.eos_ids.end());
    banned_.insert(banned_.end(), params.stop_token_ids.begin(), params.stop_token_ids.end());
  }
  return {.temperature = params.temperature,
          .top_k = params.top_k,
          .top_p = params.top_p,
          .min_p = params.min_p,
          .repetition_penalty = params.repetition_penalty,
          .frequency_penalty = params.frequency_penalty,
          .presence_penalty = params.presence_penalty,
          .prompt = sequence.history.first(num_prompt),
          .output = sequence.history.subspan(num_prompt),
          .bias = params.logit_bias,
          .banned = std::span(banned_).subspan(first_banned),
          .key = {.seed = params.seed,
                  .choice = params.choice,
                  .position = sequence.history.size(),
                  .purpose = RandomPurpose::kSample}};
}

// Fills outputs_.ids: a token for each row that draws. Such rows are not contiguous where prompt
// rows lie between them, so each contiguous stretch is one call.
void ModelRunner::DrawTokens(const StepBatch& batch, std::span<const WantedRow> rows,
                             ConstTensorView logits) {
  const auto num_rows = static_cast<int64_t>(rows.size());
  outputs_.ids.Reserve(context_, num_rows);
  banned_.clear();
  size_t most_banned = 0;  // reserved, so that the rows' spans stay valid
  for (size_t index = 0; index < rows.size(); ++index) {
    const WantedRow& row = rows[index];
    outputs_.ids.host()[index] = row.next;
    const SequenceStep& sequence = batch.sequences[static_cast<size_t>(row.sequence)];
    if (row.next < 0)
      most_banned += sequence.eos_ids.size() + sequence.sampling->stop_token_ids.size();
  }
  banned_.reserve(most_banned);
  outputs_.ids.ToDevice(context_, num_rows);
  const TensorView ids = outputs_.ids.view({num_rows});
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    draws_.clear();
    while (end < rows.size() && rows[end].next < 0) {
      draws_.push_back(DescribeDraw(batch.sequences[static_cast<size_t>(rows[end++].sequence)]));
    }
    if (end > begin) {
      const auto first = static_cast<int64_t>(begin), count = static_cast<int64_t>(end - begin);
      Sample(context_,
             {.logits = logits.Rows(first, count), .rows = draws_, .ids = ids.Rows(first, count)});
    }
    begin = std::max(end, begin + 1);
  }
}

// Fills the top ids of each contiguous stretch of rows that want some, as many in every row as the
// row that wants most: the best of fewer are the first of these.
void ModelRunner::RankTopIds(const StepBatch& batch, std::span<const WantedRow> rows,
                             ConstTensorView logits) {
  const auto num_top = [&](const WantedRow& row) -> int64_t {
    const SamplingParams& params = *batch.sequences[static_cast<size_t>(row.sequence)].sampling;
    return (row.next < 0 ? params.logprobs : params.prompt_logprobs).value_or(0);
  };
  int64_t most = 0;
  for (const WantedRow& row : rows) most = std::max(most, num_top(row));
  most = outputs_.num_top = std::min(most, config_.vocab_size);
  if (most == 0) return;
  const auto num_tops = static_cast<int64_t>(rows.size()) * most;
  outputs_.top_ids.Reserve(context_, num_tops);
  outputs_.top_log_probs.Reserve(context_, num_tops);
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    while (end < rows.size() && num_top(rows[end]) > 0) ++end;
    if (end > begin) {
      const auto first = static_cast<int64_t>(begin), count = static_cast<int64_t>(end - begin);
      const Shape stretch{count, most};
      const TensorView ids = outputs_.top_ids.view(stretch, first * most);
      TopIds(context_, {.logits = logits.Rows(first, count), .ids = ids});
      PickLogProbs(context_, {.logits = logits.Rows(first, count),
                              .statistics = outputs_.statistics.view({count, 2}, 2 * first),
                              .ids = ids,
                              .log_probs = outputs_.top_log_probs.view(stretch, first * most)});
    }
    begin = std::max(end, begin + 1);
  }
  outputs_.top_ids.ToHost(context_, num_tops);
  outputs_.top_log_probs.ToHost(context_, num_tops);
}

// Logits, log-probabilities and draws of at most kLogitRows rows.
void ModelRunner::FinishRows(const StepBatch& batch, std::span<const WantedRow> rows,
                             StepResult& result) {
  const auto num_rows = static_cast<int64_t>(rows.size());
  token_rows_.Reserve(context_, num_rows);
  for (size_t i = 0; i < rows.size(); ++i) token_rows_.host()[i] = rows[i].token_row;
  token_rows_.ToDevice(context_, num_rows);
  const TensorView logits = logits_.view().Rows(0, num_rows);
  transformer_.Logits(context_, token_rows_.view({num_rows}), logits);  // [rows, vocab]
  outputs_.statistics.Reserve(context_, 2 * num_rows);
  const TensorView statistics = outputs_.statistics.view({num_rows, 2});
  LogSoftmaxStatistics(context_, {.logits = logits, .statistics = statistics});
  DrawTokens(batch, rows, logits);
  outputs_.log_probs.Reserve(context_, num_rows);
  PickLogProbs(context_, {.logits = logits,
                          .statistics = statistics,
                          .ids = outputs_.ids.view({num_rows, 1}),
                          .log_probs = outputs_.log_probs.view({num_rows, 1})});
  RankTopIds(batch, rows, logits);
  outputs_.ids.ToHost(context_, num_rows);
  outputs_.log_probs.ToHost(context_, num_rows);
  outputs_.statistics.ToHost(context_, 2 * num_rows);
  Synchronize(context_);
  ReportRows(batch, rows, result);
}

// From outputs_ alone.
void ModelRunner::ReportRows(const StepBatch& batch, std::span<const WantedRow> rows,
                             StepResult& result) {
  const ConstTensorView statistics(outputs_.statistics.host(),
                                   {static_cast<int64_t>(rows.size()), 2});
  for (size_t index = 0; index < rows.size(); ++index) {
    const WantedRow& row = rows[index];
    const SequenceStep& sequence = batch.sequences[static_cast<size_t>(row.sequence)];
    const bool draw = row.next < 0;
    const auto& num_top = draw ? sequence.sampling->logprobs : sequence.sampling->prompt_logprobs;
    ScoredToken scored;
    scored.token.id = outputs_.ids.host()[index];
    if (scored.token.id >= 0) scored.token.logprob = outputs_.log_probs.host()[index];
    const auto at = static_cast<int64_t>(index);
    if (num_top.value_or(0) > 0 && StatisticsOf(statistics, at).finite()) {
      const int64_t first = at * outputs_.num_top;
      for (int64_t i = first; i < first + std::min<int64_t>(*num_top, config_.vocab_size); ++i) {
        scored.top.push_back(
            {.id = outputs_.top_ids.host()[i], .logprob = outputs_.top_log_probs.host()[i]});
      }
    }
    SequenceResult& target = result.sequences[static_cast<size_t>(row.sequence)];
    if (draw) {
      target.sampled = std::move(scored);
    } else {
      target.prompt.push_back(std::move(scored));
    }
  }
}

}  // namespace tandem
