#include "tests/bench/model_bench.h"

#include <cstdio>

#include "engine/model_runner.h"
#include "kernels/matmul.h"
#include "kernels/moe.h"
#include "tests/bench/streams.h"
#include "tests/bench/timing.h"
#include "tests/support/device_context.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"

namespace tandem {
namespace {

// Every linear layer of the model in order, each with its own weights, on inputs of M rows; the
// head for `head_rows` of them; a mixture's experts with equal shares of the rows, and without its
// router. What a perfect rest of the model would leave.
class MatmulChain {
 public:
  MatmulChain(Context& context, const ModelConfig& config, const ModelWeights& weights,
              int64_t tokens)
      : weights_(weights), rows_(tokens), choices_(tokens * config.moe.top_k) {
    const Device device = weights.embedding.device();
    const int64_t widest =
        std::max({config.hidden_size, config.intermediate_size, config.moe.intermediate_size,
                  config.num_heads * config.head_dim});
    const int64_t widest_out =
        std::max({2 * config.intermediate_size, 2 * config.moe.intermediate_size, config.vocab_size,
                  weights.layers[0].attention.qkv.n()});
    const int64_t rows = std::max(rows_, choices_);
    x_ = Tensor(weights.embedding.input_dtype(), {rows, widest}, device);
    scales_ = Tensor(DType::kF32, {rows}, device);
    y_ = Tensor(DType::kF32, {rows, widest_out}, device);
    const int64_t num_experts = config.moe.num_experts;
    if (num_experts == 0) return;
    std::vector<int32_t> offsets;
    for (int64_t expert = 0; expert <= num_experts; ++expert) {
      offsets.push_back(static_cast<int32_t>(expert * choices_ / num_experts));
    }
    offsets_ = Placed(context, Integers(offsets, {num_experts + 1}));
    Synchronize(context);
  }

  void Run(Context& context, int64_t head_rows) {
    for (const LayerWeights& layer : weights_.layers) {
      One(context, layer.attention.qkv, rows_);
      One(context, layer.attention.output, rows_);
      if (layer.dense) FeedForward(context, *layer.dense);
      if (!layer.moe) continue;
      for (const FeedForwardWeights& shared : layer.moe->shared) FeedForward(context, shared);
      Experts(context, layer.moe->gate_up);
      Experts(context, layer.moe->down);
    }
    One(context, weights_.output_head(), head_rows);
  }

 private:
  ConstTensorView X(const PackedMatrix& w, int64_t rows) const {
    return {x_.view().bytes(), x_.dtype(), {rows, w.k()}, x_.device()};
  }
  ConstTensorView Scales(const PackedMatrix& w, int64_t rows) const {
    return w.dtype() == DType::kI8 ? scales_.view().Rows(0, rows) : ConstTensorView();
  }
  TensorView Y(const PackedMatrix& w, int64_t rows) {
    return {y_.view().bytes(), DType::kF32, {rows, w.n()}, y_.device()};
  }

  void One(Context& context, const PackedMatrix& w, int64_t rows) {
    Matmul(context, {.x = X(w, rows), .x_scales = Scales(w, rows), .w = w, .y = Y(w, rows)});
  }

  void FeedForward(Context& context, const FeedForwardWeights& weights) {
    One(context, weights.gate_up, rows_);
    One(context, weights.down, rows_);
  }

  void Experts(Context& context, std::span<const PackedMatrix> w) {
    MatmulGrouped(context, {.x = X(w.front(), choices_),
                            .x_scales = Scales(w.front(), choices_),
                            .offsets = offsets_,
                            .w = w,
                            .y = Y(w.front(), choices_)});
  }

  const ModelWeights& weights_;
  const int64_t rows_;     // tokens
  const int64_t choices_;  // of experts
  Tensor x_, scales_, y_;
  Tensor offsets_;  // [num_experts + 1], i32
};

double ChainTokensPerSecond(ModelRunner& runner, const ModelBenchOptions& options, int64_t rows,
                            int64_t head_rows) {
  DeviceContext owner(options.device, options.num_threads, options.isa);
  Context& context = owner;
  MatmulChain chain(context, runner.config(), runner.weights(), rows);
  chain.Run(context, head_rows);
  Synchronize(context);
  std::vector<double> seconds;
  const int inner = static_cast<int>(std::max<int64_t>(1, 256 / rows));
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    seconds.push_back(SecondsOf([&] {
                        for (int i = 0; i < inner; ++i) chain.Run(context, head_rows);
                        Synchronize(context);
                      }) /
                      inner);
  }
  return static_cast<double>(rows) / Median(seconds);
}

void PrintRow(const std::string& what, double whole, double chain) {
  std::printf("%-16s %12.0f %12.0f %8.0f %%\n", what.c_str(), whole, chain, 100 * whole / chain);
  std::fflush(stdout);
}

}  // namespace

ModelConfig ShapeByName(const std::string& name) {
  if (name == "stories260k") return Stories260KConfig();
  if (name == "26m") return MiniMind26MConfig();
  if (name == "64m") return MiniMind64MConfig();
  if (name == "104m") return MiniMind104MConfig();
  if (name == "145m-moe") return MiniMindMoe145MConfig();
  throw ConfigError("unknown shape '" + name + "'; known: stories260k, 26m, 64m, 104m, 145m-moe");
}

void RunModelBench(const ModelBenchOptions& options) {
  const ModelConfig config = ShapeByName(options.shape);
  ThreadPool pool(options.num_threads);
  Workspace workspace;
  Context context{.pool = pool, .isa = options.isa, .workspace = workspace};
  const int64_t max_streams =
      std::max<int64_t>(1, options.streams.empty()
                               ? 1
                               : *std::max_element(options.streams.begin(), options.streams.end()));
  const int64_t stream_tokens = options.prompt_tokens + options.decode_tokens + 1;
  ModelRunnerOptions runner_options;
  runner_options.device = options.device;
  runner_options.dtype = options.dtype;
  runner_options.max_context = std::max(options.prefill_tokens + 1, stream_tokens);
  runner_options.max_sequences = max_streams;
  runner_options.max_step_tokens = std::max({options.prefill_tokens, max_streams, int64_t{1}});
  runner_options.num_threads = options.num_threads;
  runner_options.isa = options.isa;
  ModelRunner runner(config, RandomWeights(context, config, options.dtype, 1), runner_options);

  const std::string place =
      options.device == kCpuDevice
          ? std::to_string(options.num_threads) + " threads, " + std::string(Name(options.isa))
          : runner.DescribePlace();
  std::printf("%s %s, %s: tokens a second, medians of %d\n", options.shape.c_str(),
              std::string(Name(options.dtype)).c_str(), place.c_str(), options.repeats);
  std::printf("%-16s %12s %12s %10s\n", "", "whole model", "bare matmuls", "share");
  if (options.prefill_tokens > 0) {
    std::vector<double> seconds;
    for (int repeat = -1; repeat < options.repeats; ++repeat) {
      Streams stream(runner, 1, options.prefill_tokens, options.prefill_tokens + 1);
      const double took = SecondsOf([&] { stream.Prefill(); });
      if (repeat >= 0) seconds.push_back(took);  // the first one warms up
    }
    const double chain = ChainTokensPerSecond(runner, options, options.prefill_tokens, 1);
    PrintRow("prefill " + std::to_string(options.prefill_tokens),
             static_cast<double>(options.prefill_tokens) / Median(seconds), chain);
  }
  for (const int64_t count : options.streams) {
    std::vector<double> seconds;
    for (int repeat = 0; repeat < options.repeats; ++repeat) {
      Streams streams(runner, count, options.prompt_tokens, stream_tokens);
      streams.Prefill();
      seconds.push_back(SecondsOf([&] { streams.Decode(options.decode_tokens); }));
    }
    const double chain = ChainTokensPerSecond(runner, options, count, count);
    PrintRow(std::to_string(count) + (count == 1 ? " stream" : " streams"),
             static_cast<double>(count * options.decode_tokens) / Median(seconds), chain);
  }
}

}  // namespace tandem
