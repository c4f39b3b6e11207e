// tandem-bench: what the engine's speed is made of. `tandem-bench model` prints the tables that the
// README quotes.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tests/bench/model_bench.h"

namespace {

tandem::DType ParseDType(const std::string& name) {
  if (name == "f32") return tandem::DType::kF32;
  if (name == "bf16") return tandem::DType::kBf16;
  if (name == "f16") return tandem::DType::kF16;
  if (name == "int8") return tandem::DType::kI8;
  throw tandem::ConfigError("unknown dtype '" + name + "'; known: f32, bf16, f16, int8");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Benchmarks of Tandem", "tandem-bench");
  app.require_subcommand(1);

  tandem::ModelBenchOptions options;
  std::string dtype = "bf16", isa = std::string(Name(options.isa));
  CLI::App* model = app.add_subcommand("model", "prefill and batched decode of a whole model");
  model->add_option("--shape", options.shape, "stories260k, 26m, 104m or 145m-moe");
  model->add_option("--dtype", dtype, "f32, bf16, f16 or int8");
  model->add_option("--threads", options.num_threads, "threads, the caller included");
  model->add_option("--isa", isa, "portable, avx2, avx512, avx512_bf16 or amx");
  model->add_option("--prefill", options.prefill_tokens,
                    "tokens of the prefill row; 0: no such row");
  model->add_option("--in", options.prompt_tokens, "prompt tokens of each stream");
  model->add_option("--out", options.decode_tokens, "decoded tokens of each stream");
  model->add_option("--streams", options.streams, "numbers of streams")->delimiter(',');
  model->add_option("--repeats", options.repeats, "runs of each row");
  CLI11_PARSE(app, argc, argv);
  try {
    options.dtype = ParseDType(dtype);
    const auto parsed = tandem::ParseInstructionSet(isa);
    if (!parsed) throw tandem::ConfigError("unknown instruction set '" + isa + "'");
    options.isa = *parsed;
    RunModelBench(options);
  } catch (const tandem::Error& error) {
    std::fprintf(stderr, "tandem-bench: %s\n", error.what());
    return 2;
  }
  return 0;
}
