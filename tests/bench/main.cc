// tandem-bench: what the speed and the memory are made of. `tandem-bench model` prints the tables
// that the README quotes; the other commands look at one part each.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "kernels/core/devices.h"
#include "tests/bench/connections_bench.h"
#include "tests/bench/device_bench.h"
#include "tests/bench/http_bench.h"
#include "tests/bench/model_bench.h"
#include "tests/bench/ops_bench.h"
#include "tests/bench/tokenize_bench.h"
#include "tests/bench/train_bench.h"

namespace tandem {
namespace {

DType ParseDType(const std::string& name) {
  if (name == "f32") return DType::kF32;
  if (name == "bf16") return DType::kBf16;
  if (name == "f16") return DType::kF16;
  if (name == "int8") return DType::kI8;
  throw ConfigError("unknown dtype '" + name + "'; known: f32, bf16, f16, int8");
}

InstructionSet ParseIsa(const std::string& name) {
  const auto parsed = ParseInstructionSet(name);
  if (!parsed) throw ConfigError("unknown instruction set '" + name + "'");
  if (*parsed > BestInstructionSet()) {
    throw ConfigError("this machine has no " + name + "; its best is " +
                      std::string(Name(BestInstructionSet())));
  }
  return *parsed;
}

// A command, with options that live as long as it does.
template <typename Options>
struct Command {
  CLI::App* app;
  std::shared_ptr<Options> options = std::make_shared<Options>();

  void OnRun(std::function<void(Options&)> run) {
    app->callback([options = options, run = std::move(run)] { run(*options); });
  }
  void AddIsa(InstructionSet* isa) {
    app->add_option_function<std::string>(
        "--isa", [isa, keep = options](const std::string& name) { *isa = ParseIsa(name); },
        "portable, avx2, avx512, avx512_bf16 or amx");
  }
  void AddDType(DType* dtype) {
    app->add_option_function<std::string>(
        "--dtype", [dtype, keep = options](const std::string& name) { *dtype = ParseDType(name); },
        "bf16 (the default), f32, f16 or int8");
  }
  void AddDevice(Device* device) {
    app->add_option_function<std::string>(
        "--device",
        [device, keep = options](const std::string& name) { *device = FindDevice(name); },
        "where it runs: auto, cpu (the default) or cuda");
  }
};

constexpr char kShapes[] = "stories260k, 26m, 64m, 104m or 145m-moe";

void AddModel(CLI::App& app) {
  Command<ModelBenchOptions> model{
      app.add_subcommand("model", "prefill and batched decode of a whole model")};
  ModelBenchOptions& options = *model.options;
  model.app->add_option("--shape", options.shape, kShapes);
  model.AddDType(&options.dtype);
  model.AddDevice(&options.device);
  model.app->add_option("--threads", options.num_threads, "threads, the caller included");
  model.AddIsa(&options.isa);
  model.app->add_option("--prefill", options.prefill_tokens,
                        "tokens of the prefill row; 0: no such row");
  model.app->add_option("--in", options.prompt_tokens, "prompt tokens of each stream");
  model.app->add_option("--out", options.decode_tokens, "decoded tokens of each stream");
  model.app->add_option("--streams", options.streams, "numbers of streams")->delimiter(',');
  model.app->add_option("--repeats", options.repeats, "runs of each row");
  model.OnRun([](ModelBenchOptions& given) { RunModelBench(given); });
}

struct OpsOptions : OpsBenchOptions {
  bool order_price = false;
  Device device = kCpuDevice;
};

void RunOps(const OpsOptions& options) {
  if (options.device != kCpuDevice) {
    PrintDeviceBench({.device = options.device, .filter = "ops: " + options.filter});
  } else if (options.order_price) {
    RunOrderPrice(options);
  } else {
    RunOpsBench(options);
  }
}

void AddOps(CLI::App& app) {
  Command<OpsOptions> ops{
      app.add_subcommand("ops", "each op, beside what the machine can do at most")};
  OpsOptions& options = *ops.options;
  ops.app->add_option("--filter", options.filter, "only rows whose op, shape and dtype contain it");
  ops.app->add_option("--threads", options.num_threads, "threads, the caller included");
  ops.AddIsa(&options.isa);
  ops.app->add_option("--repeats", options.repeats, "runs of each row")->check(CLI::PositiveNumber);
  ops.app->add_flag("--order-price", options.order_price,
                    "what the fixed order of sums costs, instead");
  ops.AddDevice(&options.device);
  ops.OnRun([](OpsOptions& given) { RunOps(given); });
}

void AddDevice(CLI::App& app) {
  Command<DeviceBenchOptions> device{app.add_subcommand(
      "device", "ceilings, ops, whole models and training on a GPU, beside their goals")};
  DeviceBenchOptions& options = *device.options;
  options.device = {DeviceKind::kCuda, 0};
  device.app->add_option("--seconds", options.seconds, "after which no row is begun");
  device.app->add_option("--filter", options.filter, "only rows whose 'group: name' contains it");
  device.app->add_flag("--tiny", options.tiny, "the smallest shapes: whether it all runs");
  device.OnRun([](DeviceBenchOptions& given) { PrintDeviceBench(given); });
}

void AddConnections(CLI::App& app) {
  Command<ConnectionsBenchOptions> connections{
      app.add_subcommand("connections", "memory of idle HTTP connections")};
  ConnectionsBenchOptions& options = *connections.options;
  connections.app->add_option("--count", options.num_connections, "how many")
      ->check(CLI::PositiveNumber);
  connections.app->add_flag("--tls", options.tls, "over TLS");
  connections.app->add_flag("--silent", options.silent, "that never send a request");
  connections.OnRun([](ConnectionsBenchOptions& given) { RunConnectionsBench(given); });
}

void AddHttp(CLI::App& app) {
  Command<HttpBenchOptions> http{
      app.add_subcommand("http", "streams through HTTP beside the same without it")};
  HttpBenchOptions& options = *http.options;
  http.app->add_option("--shape", options.shape, kShapes);
  http.AddDType(&options.dtype);
  http.app->add_option("--threads", options.num_threads, "threads of the engine");
  http.app->add_option("--streams", options.num_streams, "clients at once")
      ->check(CLI::PositiveNumber);
  http.app->add_option("--in", options.prompt_tokens, "prompt tokens of each");
  http.app->add_option("--out", options.output_tokens, "tokens drawn for each");
  http.app->add_option("--repeats", options.repeats, "alternating pairs")
      ->check(CLI::PositiveNumber);
  http.OnRun([](HttpBenchOptions& given) { RunHttpBench(given); });
}

void AddTrain(CLI::App& app) {
  Command<TrainBenchOptions> train{
      app.add_subcommand("train", "whole optimiser steps, beside what the machine can multiply")};
  TrainBenchOptions& options = *train.options;
  train.app->add_option("--shape", options.shape, kShapes);
  train.AddDType(&options.dtype);
  train.AddDevice(&options.device);
  train.app->add_option("--threads", options.num_threads, "threads, the caller included");
  train.AddIsa(&options.isa);
  train.app->add_option("--rows", options.num_rows, "sequences of a step")
      ->check(CLI::PositiveNumber);
  train.app->add_option("--row-tokens", options.row_tokens, "tokens of each")
      ->check(CLI::PositiveNumber);
  train.app->add_flag("--checkpoint-activations", options.checkpoint_activations,
                      "keep layers' inputs alone and compute the rest again");
  train.app->add_flag("--muon", options.muon, "hidden matrices by Muon");
  train.app->add_option("--repeats", options.repeats, "steps")->check(CLI::PositiveNumber);
  train.OnRun([](TrainBenchOptions& given) { RunTrainBench(given); });
}

struct TextOptions : TokenizeBenchOptions {
  bool hostile = false;
  std::string out;
};

// With the options that timing and writing share.
Command<TextOptions> AddTextCommand(CLI::App& app, const char* name, const char* help) {
  Command<TextOptions> command{app.add_subcommand(name, help)};
  command.app->add_option("--model", command.options->model, "directory of the tokenizer")
      ->required();
  command.app->add_option("--text", command.options->texts, "files; each is one text");
  return command;
}

void AddTokenizers(CLI::App& app) {
  Command<TextOptions> tokenize = AddTextCommand(app, "tokenize", "text to ids and back");
  TextOptions& options = *tokenize.options;
  tokenize.app->add_option("--threads", options.num_threads, "each takes every text")
      ->check(CLI::PositiveNumber);
  tokenize.app->add_option("--repeats", options.repeats, "runs of each row")
      ->check(CLI::PositiveNumber);
  tokenize.app->add_flag("--hostile", options.hostile, "texts that are made to be slow, instead");
  tokenize.OnRun([](TextOptions& given) {
    given.hostile ? RunHostileTextBench(given) : RunTokenizeBench(given);
  });

  Command<TextOptions> ids =
      AddTextCommand(app, "token-ids", "writes the ids of texts, and their text again");
  ids.app->add_option("--out", ids.options->out, "the folder to write to")->required();
  ids.OnRun([](TextOptions& given) { WriteTokenIds(given, given.out); });
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  CLI::App app("Benchmarks of Tandem", "tandem-bench");
  app.require_subcommand(1);
  tandem::AddModel(app);
  tandem::AddOps(app);
  tandem::AddDevice(app);
  tandem::AddConnections(app);
  tandem::AddHttp(app);
  tandem::AddTokenizers(app);
  tandem::AddTrain(app);
  try {
    CLI11_PARSE(app, argc, argv);
  } catch (const tandem::Error& error) {
    std::fprintf(stderr, "tandem-bench: %s\n", error.what());
    return 2;
  }
  return 0;
}
