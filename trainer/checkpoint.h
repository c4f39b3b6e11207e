#pragma once
// Saving a training run, and going on with it so that every later bit is the same as without the
// interruption. Called by the trainer's thread between two steps.
//
//   <run>/checkpoints/step-00001234/   after 1234 steps
//     tensors.safetensors   master.<parameter>, m.<parameter>, v.<parameter>, all f32;
//                           Muon's matrices have no v
//     state.json            all else, with size and checksum of the other
//     (trainer/training_state.h)
//
// A checkpoint appears whole or not at all: it is filled under a hidden name, synced, and renamed.
// It is read like a file from a stranger. One process at a time writes to a run.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/weights/tensor_table.h"
#include "trainer/trainer.h"
#include "trainer/training_state.h"

namespace tandem {

// What decides the bits of a run and is not the trainer's.
struct RunInputs {
  uint64_t seed = 0;
  uint64_t data_fingerprint = 0;  // BatchSource::fingerprint
  // Whatever else does, in words of the caller: the objective, micro-batches a step, the
  // instruction set. Not "seed", "data" nor a name of SettingsOf(TrainerOptions).
  std::map<std::string, std::string> settings;
};

// Where a run is, beside its tensors.
struct RunProgress {
  DataPosition position;                       // where the data goes on (PositionedBatch::next)
  std::map<std::string, std::string> carried;  // TrainingState::carried
};

// A whole and sound checkpoint. Its tensors are mapped as long as it lives.
struct Checkpoint {
  std::filesystem::path path;
  TrainingState state;
  TensorTable tensors;
};

struct FoundCheckpoint {
  std::optional<Checkpoint> newest;
  std::vector<std::string> passed_over;  // why, for each newer one that is broken
};

// Returns the checkpoint's directory. One of the same step is replaced. Throws DeviceError when the
// disk refuses; the others stay as they are.
std::filesystem::path SaveCheckpoint(Context& context, const std::filesystem::path& run,
                                     Trainer& trainer, const RunInputs& inputs,
                                     const RunProgress& progress);

// Reads and verifies every byte. FormatError lists everything that is wrong.
Checkpoint OpenCheckpoint(const std::filesystem::path& path);

// Which checkpoints are looked at, by their steps.
struct CheckpointChoice {
  int64_t before = std::numeric_limits<int64_t>::max();
  std::optional<int64_t> except;
};

// The newest that OpenCheckpoint accepts.
FoundCheckpoint FindNewestCheckpoint(const std::filesystem::path& run,
                                     const CheckpointChoice& choice = {});

// Puts `trainer`, which has the same options and model, where the checkpoint's was; the data has to
// Seek checkpoint.state.position. Throws ConfigError naming everything in which the runs differ, or
// FormatError naming every tensor that does not fit; `trainer` is as before then.
void RestoreCheckpoint(Context& context, const Checkpoint& checkpoint, const RunInputs& inputs,
                       Trainer& trainer);

// Removes what interrupted saves left, and all checkpoints but `num_kept` (at least 1): the newest
// that is sound and those before it. Newer ones, which are broken, stay for a person to look at
// until their step is saved again.
void KeepCheckpoints(const std::filesystem::path& run, int64_t num_kept);

// Of one step, where there is one.
void RemoveCheckpoint(const std::filesystem::path& run, int64_t step);
// All of later steps.
void RemoveCheckpointsAfter(const std::filesystem::path& run, int64_t step);

}  // namespace tandem
