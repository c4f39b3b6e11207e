// tandem-bench: what the engine's speed is made of. `tandem-bench model` prints the tables that the
// README quotes; `tandem-bench ops` each op by itself; `tandem-bench tokenize` text to ids and
// back.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tests/bench/model_bench.h"
#include "tests/bench/ops_bench.h"
#include "tests/bench/tokenize_bench.h"

namespace {

tandem::DType ParseDType(const std::string& name) {
  if (name == "f32") return tandem::DType::kF32;
  if (name == "bf16") return tandem::DType::kBf16;
  if (name == "f16") return tandem::DType::kF16;
  if (name == "int8") return tandem::DType::kI8;
  throw tandem::ConfigError("unknown dtype '" + name + "'; known: f32, bf16, f16, int8");
}

tandem::InstructionSet ParseIsa(const std::string& name) {
  const auto parsed = tandem::ParseInstructionSet(name);
  if (!parsed) throw tandem::ConfigError("unknown instruction set '" + name + "'");
  if (*parsed > tandem::BestInstructionSet()) {
    throw tandem::ConfigError("this machine has no " + name + "; its best is " +
                              std::string(Name(tandem::BestInstructionSet())));
  }
  return *parsed;
}

void AddIsaOption(CLI::App& command, std::string& isa) {
  command.add_option("--isa", isa, "portable, avx2, avx512, avx512_bf16 or amx");
}

// The options that timing and writing share.
CLI::App* AddTokenizeCommand(CLI::App& app, const char* name, const char* help,
                             tandem::TokenizeBenchOptions& options) {
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("--model", options.model, "directory of the tokenizer")->required();
  command->add_option("--text", options.texts, "files; each is one text");
  return command;
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
  AddIsaOption(*model, isa);
  model->add_option("--prefill", options.prefill_tokens,
                    "tokens of the prefill row; 0: no such row");
  model->add_option("--in", options.prompt_tokens, "prompt tokens of each stream");
  model->add_option("--out", options.decode_tokens, "decoded tokens of each stream");
  model->add_option("--streams", options.streams, "numbers of streams")->delimiter(',');
  model->add_option("--repeats", options.repeats, "runs of each row");

  tandem::OpsBenchOptions ops_options;
  bool order_price = false;
  CLI::App* ops = app.add_subcommand("ops", "each op, beside what the machine can do at most");
  ops->add_option("--filter", ops_options.filter, "only rows whose op, shape and dtype contain it");
  ops->add_option("--threads", ops_options.num_threads, "threads, the caller included");
  AddIsaOption(*ops, isa);
  ops->add_option("--repeats", ops_options.repeats, "runs of each row")->check(CLI::PositiveNumber);
  ops->add_flag("--order-price", order_price, "what the fixed order of sums costs, instead");

  tandem::TokenizeBenchOptions text_options;
  bool hostile = false;
  std::string ids_directory;
  CLI::App* tokenize = AddTokenizeCommand(app, "tokenize", "text to ids and back", text_options);
  tokenize->add_option("--threads", text_options.num_threads, "each takes every text")
      ->check(CLI::PositiveNumber);
  tokenize->add_option("--repeats", text_options.repeats, "runs of each row")
      ->check(CLI::PositiveNumber);
  tokenize->add_flag("--hostile", hostile, "texts that are made to be slow, instead");
  CLI::App* token_ids = AddTokenizeCommand(
      app, "token-ids", "writes the ids of texts, and their text again", text_options);
  token_ids->add_option("--out", ids_directory, "the folder to write to")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    options.isa = ops_options.isa = ParseIsa(isa);
    if (*tokenize) {
      hostile ? RunHostileTextBench(text_options) : RunTokenizeBench(text_options);
    } else if (*token_ids) {
      WriteTokenIds(text_options, ids_directory);
    } else if (*model) {
      options.dtype = ParseDType(dtype);
      RunModelBench(options);
    } else if (order_price) {
      RunOrderPrice(ops_options);
    } else {
      RunOpsBench(ops_options);
    }
  } catch (const tandem::Error& error) {
    std::fprintf(stderr, "tandem-bench: %s\n", error.what());
    return 2;
  }
  return 0;
}
