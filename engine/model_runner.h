#pragma once
// The real Runner: one model on one device, from a checkpoint directory to drawn tokens. Owns
// weights, KV pool, threads and activations. Run is called by one thread at a time (the engine
// loop's).

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/model/token_batch.h"
#include "engine/model/transformer.h"
#include "engine/runner.h"

namespace tandem {

struct ModelRunnerOptions {
  DType dtype = DType::kF32;      // of the weights: f32, f16, bf16 or i8
  std::optional<DType> kv_dtype;  // f32 or bf16; absent: f32 for f32 and f16 weights, else bf16
  int64_t max_context = 0;        // tokens of one sequence; 0: the model's
  int64_t kv_bytes = 0;           // of the KV pool; 0: sized from the memory that is available
  int64_t max_sequences = 64;     // in one step
  int64_t max_step_tokens = 512;  // over all sequences of one step
  int num_threads = 0;            // 0: all processors this process may use
  InstructionSet isa = BestInstructionSet();
  std::string rope_scaling;  // ApplyRopeScaling's option; empty: as the config says
};

// What the model and its cache take, in bytes. Activations include scratch of the largest step.
struct MemoryReport {
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;        // when every page is touched
  int64_t kv_token_bytes = 0;  // of one token in one sequence
  int64_t kv_tokens = 0;       // that the pool holds
};

class ModelRunner : public Runner {
 public:
  // Reads config and tensors of a Hugging Face directory. FormatError, ConfigError or DeviceError.
  static std::unique_ptr<ModelRunner> Load(const std::filesystem::path& directory,
                                           const ModelRunnerOptions& options);
  // A model whose weights the caller already has (tests, benchmarks, the trainer).
  ModelRunner(ModelConfig config, ModelWeights weights, const ModelRunnerOptions& options);

  const RunnerLimits& limits() const override { return limits_; }
  void Run(const StepBatch& batch, StepResult& result) override;

  const ModelConfig& config() const { return config_; }
  const ModelWeights& weights() const { return weights_; }
  // For the trainer's optimiser, which writes them while no step runs.
  ModelWeights& weights() { return weights_; }
  const ModelRunnerOptions& options() const { return options_; }
  int num_threads() const { return pool_.num_threads(); }
  MemoryReport memory() const;

 private:
  // A row of logits that somebody wants: sequence `sequence`'s token at batch row `token_row`.
  struct WantedRow {
    int32_t sequence = 0;
    int32_t token_row = 0;
    TokenId next = -1;  // prompt log-probability of this id; -1: draw a token
  };

  void CollectWantedRows(const StepBatch& batch);
  void FinishRows(const StepBatch& batch, std::span<const WantedRow> rows, StepResult& result);
  void DrawTokens(const StepBatch& batch, std::span<const WantedRow> rows, ConstTensorView logits);
  void RankTopIds(const StepBatch& batch, std::span<const WantedRow> rows, ConstTensorView logits);
  void ReportRows(const StepBatch& batch, std::span<const WantedRow> rows, StepResult& result);
  SampleRow DescribeDraw(const SequenceStep& sequence);

  // What the ops leave of at most kLogitRows rows, and all that is reported of them.
  struct RowOutputs {
    Tensor ids;            // [kLogitRows], i32: drawn, or the prompt's next
    Tensor log_probs;      // [kLogitRows], f32: of ids
    Tensor statistics;     // [kLogitRows, 2], f32
    Tensor top_ids;        // [rows, num_top], i32, in as many elements as were ever needed
    Tensor top_log_probs;  // likewise, f32
    int64_t num_top = 0;   // 0: nobody wants any
  };

  const ModelConfig config_;
  const ModelRunnerOptions options_;
  RunnerLimits limits_;
  ModelWeights weights_;
  ThreadPool pool_;
  Workspace workspace_;
  Context context_;
  KvPool kv_;
  Transformer transformer_;

  // Reused between steps.
  TokenBatch tokens_;
  Tensor logits_;                  // [kLogitRows, vocab], f32
  std::vector<WantedRow> wanted_;  // of the current step, in batch order
  std::vector<int32_t> token_rows_;
  RowOutputs outputs_;
  std::vector<int32_t> next_ids_;  // of the rows: the prompt's next, -1 where a token is drawn
  std::vector<SampleRow> draws_;
  std::vector<int32_t> banned_;  // of the rows that draw, one after another
};

// Bytes that a process may still take: the machine's available memory, or what is left of the
// cgroup's limit where that is less.
int64_t AvailableMemoryBytes();

}  // namespace tandem
