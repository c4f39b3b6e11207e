#include "engine/model_runner.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "engine/weights/loader.h"
#include "engine/weights/tensor_table.h"
#include "kernels/core/devices.h"
#include "kernels/matmul.h"

namespace tandem {
namespace {

// Rows that go through the output head at once: bounds the logits buffer for large vocabularies. On
// a device beside the CPU, where few rows cost as much as many, all that a step draws if that takes
// no more than so many bytes.
constexpr int64_t kLogitRows = 64;
constexpr int64_t kLogitBytes = int64_t{256} << 20;
// Recordings of steps: sizes of a batch times lengths of its longest sequence, by powers of two.
constexpr size_t kMostRecordings = 128;
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

int64_t LogitRows(const ModelConfig& config, const ModelRunnerOptions& options) {
  if (options.device == kCpuDevice) return kLogitRows;
  const int64_t most = kLogitBytes / (config.vocab_size * static_cast<int64_t>(sizeof(float)));
  return std::max(kLogitRows, std::min(options.max_sequences, most));
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
      logits_(DType::kF32, {LogitRows(config_, options), config_.vocab_size}, options.device),
      limits_(LimitsOf(config_, options)),
      records_(options.record_steps && CanRecord(context_)),
      most_under_way_(options.overlap_steps && options.device != kCpuDevice ? 2 : 1),
      kv_(LayoutOf(config_, options), limits_.num_pages + (records_ ? 1 : 0), options.device),
      recordings_(kMostRecordings) {
  if (records_) {
    Tensor numbers(DType::kI32, {logits_.shape()[0]});
    std::iota(numbers.data<int32_t>(), numbers.data<int32_t>() + logits_.shape()[0], 0);
    row_numbers_ = Tensor(DType::kI32, numbers.shape(), options.device);
    Copy(context_, numbers, row_numbers_);
  }
  Synchronize(context_);
}

MemoryReport ModelRunner::memory() const {
  const KvLayout& layout = kv_.layout();
  return {.weight_bytes = weights_.size_bytes(),
          .activation_bytes = transformer_.activation_bytes() + logits_.size_bytes(),
          .kv_bytes = kv_.num_pages() * layout.page_bytes(),
          .kv_token_bytes = layout.page_bytes() / KvLayout::kPageTokens,
          .kv_tokens = limits_.num_pages * KvLayout::kPageTokens};
}

std::string ModelRunner::DescribePlace() const {
  if (options_.device == kCpuDevice) {
    return std::string(Name(options_.isa)) + ", " + std::to_string(num_threads()) + " threads";
  }
  const DeviceReport report = ReportOf(options_.device);
  const std::string products = Describe(CountProducts(context_));
  return report.name + " (" + report.architecture + ")" + (products.empty() ? "" : ", " + products);
}

ModelRunner::~ModelRunner() {
  if (num_under_way_ > 0) Forget();
}

void ModelRunner::Run(const StepBatch& batch, StepResult& result) {
  CHECK(num_under_way_ == 0, num_under_way_);
  Launch(batch);
  Await(result);
}

void ModelRunner::Launch(const StepBatch& batch) {
  try {
    CHECK(num_under_way_ < most_under_way_, num_under_way_, most_under_way_);
    newest_ = 1 - newest_;
    ++num_under_way_;
    Begin(batch);
  } catch (...) {
    Forget();
    throw;
  }
}

void ModelRunner::Await(StepResult& result) {
  try {
    CHECK(num_under_way_ > 0);
    const LaunchedStep& step = num_under_way_ == 2 ? steps_[1 - newest_] : newest();
    step.fetched.Await();
    ReportRows(step, result);
    --num_under_way_;
  } catch (...) {
    Forget();
    throw;
  }
}

// Also waits, as far as the device still can: what comes later finds no copy under way.
void ModelRunner::Forget() {
  num_under_way_ = 0;
  try {
    Synchronize(context_);
  } catch (const DeviceError&) {
    // Whoever uses the device next is told again.
  }
}

void ModelRunner::Begin(const StepBatch& batch) {
  CollectWantedRows(batch);
  if (batch.sequences.empty()) return;
  CheckPending(batch);
  ReserveOutputs();
  if (const std::optional<StepShape> shape = RecordedShape(batch)) {
    RunAsRecorded(batch, *shape);
  } else {
    RunPlainly(batch);
  }
  FetchOutputs();
}

void ModelRunner::CollectWantedRows(const StepBatch& batch) {
  LaunchedStep& step = newest();
  step.wanted.clear();
  step.draw_rows.assign(batch.sequences.size(), -1);
  int64_t first_row = 0;  // of the sequence, in the batch
  for (size_t index = 0; index < batch.sequences.size(); ++index) {
    const SequenceStep& sequence = batch.sequences[index];
    if (sequence.prompt_logprobs) {
      for (int64_t i = 0; i < sequence.count; ++i) {
        const int64_t next = sequence.first + i + 1;
        if (next >= sequence.num_prompt) break;
        step.wanted.push_back({.sequence = static_cast<int32_t>(index),
                               .token_row = static_cast<int32_t>(first_row + i),
                               .next = sequence.history[static_cast<size_t>(next)],
                               .num_top = NumTop(sequence.sampling->prompt_logprobs)});
      }
    }
    if (sequence.sample) {
      step.draw_rows[index] = static_cast<int32_t>(step.wanted.size());
      step.wanted.push_back({.sequence = static_cast<int32_t>(index),
                             .token_row = static_cast<int32_t>(first_row + sequence.count - 1),
                             .num_top = NumTop(sequence.sampling->logprobs)});
    }
    first_row += sequence.count;
  }
}

// What runner.h rules out beside pending tokens. That they follow sequences which draw, TokenBatch
// sees.
void ModelRunner::CheckPending(const StepBatch& batch) const {
  bool has_pending = false;
  for (const SequenceStep& sequence : batch.sequences) {
    if (sequence.follows < 0) continue;
    const SamplingParams& params = *sequence.sampling;
    CHECK(params.repetition_penalty == 1.0f && params.frequency_penalty == 0.0f &&
          params.presence_penalty == 0.0f);
    has_pending = true;
  }
  if (!has_pending) return;
  CHECK(num_under_way_ == 2, num_under_way_);
  for (const WantedRow& wanted : newest().wanted) CHECK(wanted.next < 0, wanted.sequence);
}

DrawnTokens ModelRunner::DrawnBefore() const {
  if (num_under_way_ < 2) return {};
  const LaunchedStep& before = steps_[1 - newest_];
  return {.rows = before.draw_rows,
          .ids = outputs_.ids.view({static_cast<int64_t>(before.wanted.size())})};
}

const SequenceStep& ModelRunner::SequenceOf(const StepBatch& batch, int64_t row) const {
  return batch.sequences[static_cast<size_t>(newest().wanted[static_cast<size_t>(row)].sequence)];
}

int32_t ModelRunner::NumTop(const std::optional<int32_t>& asked) const {
  return static_cast<int32_t>(std::min<int64_t>(asked.value_or(0), config_.vocab_size));
}

// Also rows of logits that nobody wants have statistics, where a step is padded. The drawn ids stay
// where they are between steps that only draw: the next one takes them from there.
void ModelRunner::ReserveOutputs() {
  LaunchedStep& step = newest();
  const auto num_rows = static_cast<int64_t>(step.wanted.size());
  step.num_top = 0;
  bool any_is_given = false;
  for (const WantedRow& wanted : step.wanted) {
    step.num_top = std::max<int64_t>(step.num_top, wanted.num_top);
    any_is_given |= wanted.next >= 0;
  }
  outputs_.ids.Reserve(context_, std::max(num_rows, options_.max_sequences));
  outputs_.log_probs.Reserve(context_, num_rows);
  outputs_.statistics.Reserve(context_, 2 * std::max(num_rows, logits_.shape()[0]));
  outputs_.top_ids.Reserve(context_, num_rows * step.num_top);
  outputs_.top_log_probs.Reserve(context_, num_rows * step.num_top);
  step.ids = outputs_.ids.host();
  step.log_probs = outputs_.log_probs.host();
  step.statistics = outputs_.statistics.host();
  step.top_ids = outputs_.top_ids.host();
  step.top_log_probs = outputs_.top_log_probs.host();
  if (!any_is_given) return;
  for (int64_t row = 0; row < num_rows; ++row) {
    outputs_.ids.host()[row] = step.wanted[static_cast<size_t>(row)].next;
  }
  outputs_.ids.ToDevice(context_, num_rows);
}

// A step in which every sequence brings one token and draws the next; in another, launches take
// less of the time, and there are too many shapes.
std::optional<StepShape> ModelRunner::RecordedShape(const StepBatch& batch) const {
  if (!records_ || newest().wanted.size() != batch.sequences.size()) return std::nullopt;
  const StepShape largest{
      .num_tokens = std::min(options_.max_sequences, logits_.shape()[0]),
      .max_pages = (limits_.max_context + KvLayout::kPageTokens - 1) / KvLayout::kPageTokens};
  StepShape shape{.num_tokens = static_cast<int64_t>(batch.sequences.size()), .max_pages = 1};
  for (const SequenceStep& sequence : batch.sequences) {
    if (sequence.count != 1 || !sequence.sample) return std::nullopt;
    shape.max_pages = std::max(shape.max_pages, static_cast<int64_t>(sequence.pages.size()));
  }
  if (shape.num_tokens > largest.num_tokens || shape.max_pages > largest.max_pages) {
    return std::nullopt;
  }
  return PaddedShape(shape, largest);
}

// Row i of the logits is sequence i's; rows after those of the sequences are padding.
void ModelRunner::RunAsRecorded(const StepBatch& batch, const StepShape& shape) {
  tokens_.Assign(context_, batch.sequences,
                 {.num_tokens = shape.num_tokens,
                  .max_pages = shape.max_pages,
                  .page = static_cast<PageId>(limits_.num_pages)},
                 DrawnBefore());
  transformer_.ReservePositions(context_, tokens_.max_position() + 1);
  const std::array<const void*, 2> memory = {tokens_.address(), outputs_.statistics.data()};
  recordings_.Run(context_, shape, memory, [this] {
    transformer_.Forward(context_, tokens_, kv_);
    ComputeLogits(row_numbers_.view().Rows(0, tokens_.num_tokens()), 0);
  });
  FinishRows(batch, {.first = 0, .count = static_cast<int64_t>(newest().wanted.size())});
}

void ModelRunner::RunPlainly(const StepBatch& batch) {
  const std::vector<WantedRow>& wanted = newest().wanted;
  const auto num_rows = static_cast<int64_t>(wanted.size());
  token_rows_.Reserve(context_, num_rows);
  for (int64_t row = 0; row < num_rows; ++row) {
    token_rows_.host()[row] = wanted[static_cast<size_t>(row)].token_row;
  }
  token_rows_.ToDevice(context_, num_rows);
  tokens_.Assign(context_, batch.sequences, {}, DrawnBefore());
  transformer_.Forward(context_, tokens_, kv_);
  const int64_t most = logits_.shape()[0];
  for (int64_t first = 0; first < num_rows; first += most) {
    const Round round{.first = first, .count = std::min(num_rows - first, most)};
    ComputeLogits(token_rows_.view({round.count}, first), first);
    FinishRows(batch, round);
  }
}

// Logits of some tokens of the last Forward; their statistics are those of rows from `first` on.
void ModelRunner::ComputeLogits(ConstTensorView token_rows, int64_t first) {
  const int64_t num_rows = token_rows.dim(0);
  const TensorView logits = logits_.view().Rows(0, num_rows);
  transformer_.Logits(context_, token_rows, logits);  // [rows, vocab]
  LogSoftmaxStatistics(
      context_,
      {.logits = logits, .statistics = outputs_.statistics.view({num_rows, 2}, 2 * first)});
}

// A pending token is missing in the output, which only penalties look at. The row's banned ids go
// to the end of `banned_`, which has room for them.
SampleRow ModelRunner::DescribeDraw(const SequenceStep& sequence) {
  const SamplingParams& params = *sequence.sampling;
  const auto num_prompt = static_cast<size_t>(sequence.num_prompt);
  const size_t first_banned = banned_.size();
  if (sequence.total() - sequence.num_prompt < params.min_tokens) {
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
                  .position = static_cast<uint64_t>(sequence.total()),
                  .purpose = RandomPurpose::kSample}};
}

// Fills outputs_.ids: a token for each row that draws. Such rows are not contiguous where prompt
// rows lie between them, so each contiguous stretch is one call.
void ModelRunner::DrawTokens(const StepBatch& batch, const Round& round, ConstTensorView logits) {
  const std::vector<WantedRow>& wanted = newest().wanted;
  const auto draws = [&](int64_t row) {
    return row < round.count && wanted[static_cast<size_t>(round.first + row)].next < 0;
  };
  banned_.clear();
  size_t most_banned = 0;  // reserved, so that the rows' spans stay valid
  for (int64_t row = 0; row < round.count; ++row) {
    if (!draws(row)) continue;
    const SequenceStep& sequence = SequenceOf(batch, round.first + row);
    most_banned += sequence.eos_ids.size() + sequence.sampling->stop_token_ids.size();
  }
  banned_.reserve(most_banned);
  for (int64_t begin = 0; begin < round.count;) {
    int64_t end = begin;
    draws_.clear();
    while (draws(end)) draws_.push_back(DescribeDraw(SequenceOf(batch, round.first + end++)));
    if (end > begin) {
      Sample(context_, {.logits = logits.Rows(begin, end - begin),
                        .rows = draws_,
                        .ids = outputs_.ids.view({end - begin}, round.first + begin)});
    }
    begin = std::max(end, begin + 1);
  }
}

// Fills the top ids of each contiguous stretch of rows that want some, as many in every row as the
// row that wants most: the best of fewer are the first of these.
void ModelRunner::RankTopIds(const Round& round, ConstTensorView logits) {
  const LaunchedStep& step = newest();
  const int64_t most = step.num_top;
  if (most == 0) return;
  const auto wants = [&](int64_t row) {
    return row < round.count && step.wanted[static_cast<size_t>(round.first + row)].num_top > 0;
  };
  for (int64_t begin = 0; begin < round.count;) {
    int64_t end = begin;
    while (wants(end)) ++end;
    if (end > begin) {
      const int64_t first = round.first + begin, count = end - begin;
      const Shape stretch{count, most};
      const TensorView ids = outputs_.top_ids.view(stretch, first * most);
      TopIds(context_, {.logits = logits.Rows(begin, count), .ids = ids});
      PickLogProbs(context_, {.logits = logits.Rows(begin, count),
                              .statistics = outputs_.statistics.view({count, 2}, 2 * first),
                              .ids = ids,
                              .log_probs = outputs_.top_log_probs.view(stretch, first * most)});
    }
    begin = std::max(end, begin + 1);
  }
}

// Draws and log-probabilities of rows whose logits and statistics are there.
void ModelRunner::FinishRows(const StepBatch& batch, const Round& round) {
  const int64_t first = round.first, count = round.count;
  const TensorView logits = logits_.view().Rows(0, count);
  DrawTokens(batch, round, logits);
  PickLogProbs(context_, {.logits = logits,
                          .statistics = outputs_.statistics.view({count, 2}, 2 * first),
                          .ids = outputs_.ids.view({count, 1}, first),
                          .log_probs = outputs_.log_probs.view({count, 1}, first)});
  RankTopIds(round, logits);
}

void ModelRunner::FetchOutputs() {
  LaunchedStep& step = newest();
  const auto num_rows = static_cast<int64_t>(step.wanted.size());
  outputs_.ids.ToHost(context_, num_rows);
  outputs_.log_probs.ToHost(context_, num_rows);
  if (step.num_top > 0) {
    outputs_.statistics.ToHost(context_, 2 * num_rows);
    outputs_.top_ids.ToHost(context_, num_rows * step.num_top);
    outputs_.top_log_probs.ToHost(context_, num_rows * step.num_top);
  }
  step.fetched.Mark(context_);
}

void ModelRunner::ReportRows(const LaunchedStep& step, StepResult& result) {
  result.sequences.resize(step.draw_rows.size());
  for (SequenceResult& sequence : result.sequences) {
    sequence.sampled.reset();
    sequence.prompt.clear();
  }
  const auto num_rows = static_cast<int64_t>(step.wanted.size());
  const ConstTensorView statistics(step.statistics, {num_rows, 2});
  for (int64_t row = 0; row < num_rows; ++row) {
    const WantedRow& wanted = step.wanted[static_cast<size_t>(row)];
    ScoredToken scored;
    scored.token.id = step.ids[row];
    if (scored.token.id >= 0) scored.token.logprob = step.log_probs[row];
    if (wanted.num_top > 0 && StatisticsOf(statistics, row).finite()) {
      const int64_t first = row * step.num_top;
      for (int64_t i = first; i < first + wanted.num_top; ++i) {
        scored.top.push_back({.id = step.top_ids[i], .logprob = step.top_log_probs[i]});
      }
    }
    SequenceResult& target = result.sequences[static_cast<size_t>(wanted.sequence)];
    if (wanted.next < 0) {
      target.sampled = std::move(scored);
    } else {
      target.prompt.push_back(std::move(scored));
    }
  }
}

}  // namespace tandem
