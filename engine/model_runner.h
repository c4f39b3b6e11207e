#pragma once
// The real Runner: one model on one device, from a checkpoint directory to drawn tokens. Owns
// weights, KV pool, threads, activations and recordings of steps. Run is called by one thread at a
// time (the engine loop's), and waits for the device once.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/model/step_recordings.h"
#include "engine/model/token_batch.h"
#include "engine/model/transformer.h"
#include "engine/runner.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/staged_tensor.h"

namespace tandem {

struct ModelRunnerOptions {
  Device device = kCpuDevice;
  DType dtype = DType::kF32;         // of the weights: f32, f16, bf16 or i8
  std::optional<DType> kv_dtype;     // f32 or bf16; absent: f32 for f32 and f16 weights, else bf16
  int64_t max_context = 0;           // tokens of one sequence; 0: the model's
  int64_t kv_bytes = 0;              // of the KV pool; 0: sized from the memory that is available
  double device_memory_share = 0.9;  // of a device's own memory, that all of this may take
  int64_t max_sequences = 64;        // in one step
  int64_t max_step_tokens = 512;     // over all sequences of one step
  int num_threads = 0;               // 0: all processors this process may use
  InstructionSet isa = BestInstructionSet();
  std::string rope_scaling;  // ApplyRopeScaling's option; empty: as the config says
  bool record_steps = true;  // those that only draw, where the device can
};

// What the model and its cache take, in bytes.
struct MemoryReport {
  int64_t weight_bytes = 0;
  int64_t activation_bytes = 0;  // and logits, of the largest step; without the scratch of ops
  int64_t kv_bytes = 0;          // when every page is touched
  int64_t kv_token_bytes = 0;    // of one token in one sequence
  int64_t kv_tokens = 0;         // that the pool holds
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
  // For the trainer's optimiser, which writes them while no step runs, where they are.
  ModelWeights& weights() { return weights_; }
  const ModelRunnerOptions& options() const { return options_; }
  int num_threads() const { return pool_.num_threads(); }
  MemoryReport memory() const;
  RecordingCounts recordings() const { return recordings_.counts(); }
  bool records_steps() const { return records_; }
  // "avx512bf16, 2 threads" or "NVIDIA H200 (sm_90)".
  std::string DescribePlace() const;

 private:
  // A row of logits that somebody wants: sequence `sequence`'s token at batch row `token_row`.
  struct WantedRow {
    int32_t sequence = 0;
    int32_t token_row = 0;
    TokenId next = -1;  // prompt log-probability of this id; -1: draw a token
  };

  // Some of wanted_ that go through the head together.
  struct Round {
    int64_t first = 0;
    int64_t count = 0;
  };

  void CollectWantedRows(const StepBatch& batch);
  void ReserveOutputs(const StepBatch& batch);
  std::optional<StepShape> RecordedShape(const StepBatch& batch) const;
  void RunAsRecorded(const StepBatch& batch, const StepShape& shape);
  void RunPlainly(const StepBatch& batch);
  void ComputeLogits(ConstTensorView token_rows, int64_t first);
  void FinishRows(const StepBatch& batch, const Round& round);
  void DrawTokens(const StepBatch& batch, const Round& round, ConstTensorView logits);
  void RankTopIds(const StepBatch& batch, const Round& round, ConstTensorView logits);
  void FetchOutputs();
  void ReportRows(const StepBatch& batch, StepResult& result);
  SampleRow DescribeDraw(const SequenceStep& sequence);
  const SequenceStep& SequenceOf(const StepBatch& batch, int64_t row) const;
  int64_t NumTop(const StepBatch& batch, int64_t row) const;

  // What the ops leave of all of wanted_, and all that is reported of them.
  struct RowOutputs {
    StagedTensor<int32_t> ids;          // [rows]: drawn, or the prompt's next
    StagedTensor<float> log_probs;      // [rows]: of ids
    StagedTensor<float> statistics;     // [rows, 2]
    StagedTensor<int32_t> top_ids;      // [rows, num_top]
    StagedTensor<float> top_log_probs;  // [rows, num_top]
    int64_t num_top = 0;                // 0: nobody wants any
  };

  const ModelConfig config_;
  const ModelRunnerOptions options_;
  ThreadPool pool_;
  Workspace workspace_;
  Stream stream_;
  Context context_;
  ModelWeights weights_;
  Transformer transformer_;
  Tensor logits_;        // [rows of a round, vocab], f32
  RunnerLimits limits_;  // pages: of the memory that all of the above have left
  const bool records_;   // steps that only draw
  KvPool kv_;            // limits_.num_pages; if it records, one more, of the tokens that pad

  // Reused between steps.
  TokenBatch tokens_;
  std::vector<WantedRow> wanted_;     // of the current step, in batch order
  StagedTensor<int32_t> token_rows_;  // of wanted_
  RowOutputs outputs_;
  std::vector<SampleRow> draws_;
  std::vector<int32_t> banned_;  // of the rows that draw, one after another
  Tensor row_numbers_;           // [rows of a round]: 0, 1, ...; if it records
  StepRecordings recordings_;
};

}  // namespace tandem
