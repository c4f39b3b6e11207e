#pragma once
// The real Runner: one model on one device, from a checkpoint directory to drawn tokens. Owns
// weights, KV pool, threads, activations and recordings of steps. Steps are run by one thread at a
// time (the engine loop's). On a device beside the CPU they overlap: the host waits for the outputs
// of a step while the device goes on with the next one, whose first tokens it takes from where the
// last ones were drawn.

#include <array>
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
  std::string rope_scaling;   // ApplyRopeScaling's option; empty: as the config says
  bool record_steps = true;   // those that only draw, where the device can
  bool overlap_steps = true;  // on a device beside the CPU
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

  ModelRunner(const ModelRunner&) = delete;
  ModelRunner& operator=(const ModelRunner&) = delete;
  ~ModelRunner() override;  // waits for what is under way

  const RunnerLimits& limits() const override { return limits_; }
  void Run(const StepBatch& batch, StepResult& result) override;
  bool overlaps() const override { return most_under_way_ > 1; }
  void Launch(const StepBatch& batch) override;
  void Await(StepResult& result) override;

  const ModelConfig& config() const { return config_; }
  const ModelWeights& weights() const { return weights_; }
  // For the trainer's optimiser, which writes them while no step runs, where they are.
  ModelWeights& weights() { return weights_; }
  const ModelRunnerOptions& options() const { return options_; }
  int num_threads() const { return pool_.num_threads(); }
  MemoryReport memory() const;
  RecordingCounts recordings() const { return recordings_.counts(); }
  bool records_steps() const { return records_; }
  // "avx512bf16, 2 threads" or "NVIDIA H200 (sm_90)", and what library multiplies there.
  std::string DescribePlace() const;

 private:
  // A row of logits that somebody wants: sequence `sequence`'s token at batch row `token_row`.
  struct WantedRow {
    int32_t sequence = 0;
    int32_t token_row = 0;
    TokenId next = -1;    // prompt log-probability of this id; -1: draw a token
    int32_t num_top = 0;  // best ids that are wanted too
  };

  // What Await reads of a step that was launched: nothing of its batch.
  struct LaunchedStep {
    std::vector<WantedRow> wanted;   // in batch order
    std::vector<int32_t> draw_rows;  // [sequences]: where each draws, of wanted; -1: does not
    // In the memory that the host has for this step, complete after `fetched`.
    const int32_t* ids = nullptr;          // [rows]
    const float* log_probs = nullptr;      // [rows]
    const float* statistics = nullptr;     // [rows, 2]
    const int32_t* top_ids = nullptr;      // [rows, num_top]
    const float* top_log_probs = nullptr;  // [rows, num_top]
    int64_t num_top = 0;                   // of the row that wants most
    Event fetched;
  };

  // Some of the wanted rows that go through the head together.
  struct Round {
    int64_t first = 0;
    int64_t count = 0;
  };

  void Begin(const StepBatch& batch);
  void Forget();
  LaunchedStep& newest() { return steps_[newest_]; }
  const LaunchedStep& newest() const { return steps_[newest_]; }
  DrawnTokens DrawnBefore() const;
  void CollectWantedRows(const StepBatch& batch);
  void CheckPending(const StepBatch& batch) const;
  void ReserveOutputs();
  std::optional<StepShape> RecordedShape(const StepBatch& batch) const;
  void RunAsRecorded(const StepBatch& batch, const StepShape& shape);
  void RunPlainly(const StepBatch& batch);
  void ComputeLogits(ConstTensorView token_rows, int64_t first);
  void FinishRows(const StepBatch& batch, const Round& round);
  void DrawTokens(const StepBatch& batch, const Round& round, ConstTensorView logits);
  void RankTopIds(const Round& round, ConstTensorView logits);
  void FetchOutputs();
  static void ReportRows(const LaunchedStep& step, StepResult& result);
  SampleRow DescribeDraw(const SequenceStep& sequence);
  const SequenceStep& SequenceOf(const StepBatch& batch, int64_t row) const;
  int32_t NumTop(const std::optional<int32_t>& asked) const;

  // What the ops leave of all wanted rows, and all that is reported of them.
  struct RowOutputs {
    StagedTensor<int32_t> ids;          // [rows]: drawn, or the prompt's next
    StagedTensor<float> log_probs;      // [rows]: of ids
    StagedTensor<float> statistics;     // [rows, 2]
    StagedTensor<int32_t> top_ids;      // [rows, num_top]
    StagedTensor<float> top_log_probs;  // [rows, num_top]
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
  const size_t most_under_way_;
  KvPool kv_;  // limits_.num_pages; if it records, one more, of the tokens that pad

  // Reused between steps.
  std::array<LaunchedStep, 2> steps_;  // in turn
  size_t newest_ = 0;                  // launched last
  size_t num_under_way_ = 0;           // launched and not awaited: the newest and the one before
  TokenBatch tokens_;
  StagedTensor<int32_t> token_rows_;  // of the wanted rows
  RowOutputs outputs_;
  std::vector<SampleRow> draws_;
  std::vector<int32_t> banned_;  // of the rows that draw, one after another
  Tensor row_numbers_;           // [rows of a round]: 0, 1, ...; if it records
  StepRecordings recordings_;
};

}  // namespace tandem
