// Whole models with random weights: prompts, then many streams that decode in lock step.

#include <algorithm>
#include <memory>
#include <optional>

#include "engine/model_runner.h"
#include "tests/bench/bench_rows.h"
#include "tests/bench/streams.h"
#include "tests/bench/timing.h"
#include "tests/bench/training_work.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"

namespace tandem {
namespace {

struct Goals {
  std::optional<double> must, aim;  // tok/s
};

struct DecodeRow {
  int64_t streams = 1;
  Goals goals;
};

struct PrefillRow {
  int64_t prompts = 1;
  int64_t tokens = 512;  // of each
};

struct ModelRows {
  std::string name;
  ModelConfig config;
  std::vector<DecodeRow> decode;
  std::vector<PrefillRow> prefill;
  int64_t context = 512;  // in the middle of what is timed
  int64_t warm_steps = 4;
  int64_t timed_steps = 8;  // of one sample

  int64_t num_samples = 5;
  int64_t decoded() const { return 1 + warm_steps + num_samples * timed_steps; }
  int64_t prompt() const { return context - decoded() / 2; }
};

std::vector<ModelRows> AllModelRows(bool tiny) {
  if (tiny) {
    ModelConfig dense = Stories260KConfig();
    dense.num_layers = 2;
    dense.windows.assign(2, 0);
    const auto rows = [](const char* name, const ModelConfig& config) {
      return ModelRows{.name = name,
                       .config = config,
                       .decode = {{1, {1, 2}}, {3, {}}},
                       .prefill = {{2, 20}},
                       .context = 20,
                       .warm_steps = 1,
                       .timed_steps = 1,
                       .num_samples = 1};
    };
    return {rows("tiny", dense), rows("tiny-moe", TinyMoeConfig())};
  }
  return {{.name = "26m",
           .config = MiniMind26MConfig(),
           .decode = {{1, {6e3, 11e3}}, {64, {}}, {256, {650e3, 1.0e6}}, {1024, {950e3, 1.3e6}}},
           .prefill = {{16, 512}, {4, 2048}, {1, 512}}},
          {.name = "104m",
           .config = MiniMind104MConfig(),
           .decode = {{1, {2.8e3, 5e3}}, {256, {260e3, 370e3}}, {1024, {330e3, 430e3}}},
           .prefill = {{16, 512}}},
          {.name = "64m",
           .config = MiniMind64MConfig(),
           .decode = {{1, {5e3, 9e3}}, {256, {320e3, 430e3}}},
           .prefill = {{16, 512}}},
          {.name = "145m-moe",
           .config = MiniMindMoe145MConfig(),
           .decode = {{1, {}}, {256, {}}},
           .prefill = {{16, 512}}}};
}

// One model of the table; the runner is made when its first row needs it.
class ModelBench {
 public:
  ModelBench(BenchRows& rows, DeviceCeilings& ceilings, const ModelRows& model)
      : rows_(rows), ceilings_(ceilings), model_(model) {}

  void Measure() {
    for (const DecodeRow& decode : model_.decode) {
      BenchRow row = NewRow("decode", "bandwidth");
      row.name = model_.name + " bf16 decode, " + std::to_string(decode.streams) +
                 (decode.streams == 1 ? " stream of " : " streams of ") +
                 std::to_string(model_.context);
      row.must = decode.goals.must;
      row.aim = decode.goals.aim;
      rows_.Measure(row, [&](BenchRow& measured) { MeasureDecode(decode, measured); });
    }
    for (const PrefillRow& prefill : model_.prefill) {
      BenchRow row = NewRow("prefill", "matmul");
      row.name = model_.name + " bf16 prefill, " + std::to_string(prefill.prompts) + " x " +
                 std::to_string(prefill.tokens);
      rows_.Measure(row, [&](BenchRow& measured) { MeasurePrefill(prefill, measured); });
    }
  }

 private:
  static BenchRow NewRow(const char* group, const char* bound) {
    return {.group = group, .unit = "tok/s", .bound = bound};
  }

  ModelRunner& Runner() {
    if (runner_) return *runner_;
    ModelRunnerOptions options{.device = rows_.options().device, .dtype = DType::kBf16};
    const int64_t stream_pages = PagesOf(model_.prompt() + model_.decoded());
    int64_t pages = 1;
    options.max_sequences = 1;
    options.max_step_tokens = rows_.options().tiny ? 32 : 8192;
    options.max_context = model_.prompt() + model_.decoded();
    for (const DecodeRow& row : model_.decode) {
      options.max_sequences = std::max(options.max_sequences, row.streams);
      pages = std::max(pages, row.streams * stream_pages);
    }
    for (const PrefillRow& row : model_.prefill) {
      options.max_sequences = std::max(options.max_sequences, row.prompts);
      options.max_context = std::max(options.max_context, row.tokens + 1);
      pages = std::max(pages, row.prompts * PagesOf(row.tokens + 1));
    }
    const ModelConfig& config = model_.config;
    const KvLayout layout{.num_layers = config.num_layers,
                          .num_kv_heads = config.num_kv_heads,
                          .head_dim = config.head_dim,
                          .dtype = DType::kBf16};
    options.kv_bytes = pages * layout.page_bytes();
    Workspace workspace;
    Context host{.pool = rows_.pool(), .workspace = workspace};
    runner_ = std::make_unique<ModelRunner>(config, RandomWeights(host, config, DType::kBf16, 1),
                                            options);
    return *runner_;
  }

  static int64_t PagesOf(int64_t tokens) {
    return (tokens + KvLayout::kPageTokens - 1) / KvLayout::kPageTokens;
  }

  void MeasureDecode(const DecodeRow& decode, BenchRow& row) {
    ModelRunner& runner = Runner();
    Streams streams(runner, decode.streams, model_.prompt(), model_.prompt() + model_.decoded());
    streams.Prefill();
    streams.Decode(model_.warm_steps);
    std::vector<double> seconds;
    for (int64_t sample = 0; sample < model_.num_samples; ++sample) {
      seconds.push_back(SecondsOf([&] { streams.Decode(model_.timed_steps); }));
      if (rows_.TimeIsOver()) break;
    }
    const double step = Median(seconds) / static_cast<double>(model_.timed_steps);
    row.value = static_cast<double>(decode.streams) / step;
    // Every weight is read once a step, and every stream's keys and values.
    const MemoryReport memory = runner.memory();
    const auto bytes = static_cast<double>(memory.weight_bytes +
                                           decode.streams * model_.context * memory.kv_token_bytes);
    const double ceiling = ceilings_.BytesPerSecond();
    if (ceiling > 0) row.share = bytes / step / ceiling;
  }

  void MeasurePrefill(const PrefillRow& prefill, BenchRow& row) {
    ModelRunner& runner = Runner();
    std::vector<double> seconds;
    for (int64_t sample = -1; sample < model_.num_samples; ++sample) {
      Streams streams(runner, prefill.prompts, prefill.tokens, prefill.tokens + 1);
      const double took = SecondsOf([&] { streams.Prefill(); });
      if (sample >= 0) seconds.push_back(took);  // the first one warms up
      if (sample >= 0 && rows_.TimeIsOver()) break;
    }
    row.value = static_cast<double>(prefill.prompts * prefill.tokens) / Median(seconds);
    const double ceiling = ceilings_.MatmulFlops();
    if (ceiling > 0) row.share = row.value * PromptFlops(model_.config, prefill.tokens) / ceiling;
  }

  BenchRows& rows_;
  DeviceCeilings& ceilings_;
  const ModelRows& model_;
  std::unique_ptr<ModelRunner> runner_;
};

}  // namespace

void MeasureModelRows(BenchRows& rows, DeviceCeilings& ceilings) {
  for (const ModelRows& model : AllModelRows(rows.options().tiny)) {
    ModelBench(rows, ceilings, model).Measure();
  }
}

}  // namespace tandem
