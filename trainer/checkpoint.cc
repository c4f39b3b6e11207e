#include "trainer/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <functional>
#include <span>
#include <system_error>
#include <utility>

#include "engine/base/atomic_directory.h"
#include "engine/base/atomic_file.h"
#include "engine/base/mapped_file.h"
#include "engine/base/printable.h"
#include "engine/weights/safetensors.h"
#include "kernels/core/check.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "trainer/data/hash64.h"

namespace tandem {
namespace {

constexpr const char* kFolder = "checkpoints";
constexpr const char* kTensorsFile = "tensors.safetensors";
constexpr const char* kStateFile = "state.json";
constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kLeftoverPrefix = ".step-";  // of TemporaryBeside(a checkpoint)

std::string NameOfStep(int64_t step) { return fmt::format("{}{:08}", kPrefix, step); }

std::optional<int64_t> StepOfName(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), step);
  if (name != NameOfStep(step)) return std::nullopt;
  return step;
}

// The names in the run's folder of checkpoints; none when there is no folder.
std::vector<std::string> ListNames(const std::filesystem::path& run) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entries(run / kFolder, error);
  while (!error && entries != std::filesystem::directory_iterator()) {
    names.push_back(entries->path().filename().string());
    entries.increment(error);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw DeviceError("cannot list " + Quoted((run / kFolder).string()) + ": " + error.message());
  }
  return names;
}

std::vector<int64_t> StepsNewestFirst(const std::filesystem::path& run) {
  std::vector<int64_t> steps;
  for (const std::string& name : ListNames(run)) {
    if (const auto step = StepOfName(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end(), std::greater());
  return steps;
}

// What a process left that was killed while it saved or removed a checkpoint.
void RemoveLeftovers(const std::filesystem::path& run) {
  for (const std::string& name : ListNames(run)) {
    if (!name.starts_with(kLeftoverPrefix)) continue;
    std::error_code error;
    std::filesystem::remove_all(run / kFolder / name, error);
    if (error) {
      throw DeviceError("cannot remove " + Quoted((run / kFolder / name).string()) + ": " +
                        error.message());
    }
  }
}

FileSeal SealOf(const std::filesystem::path& path) {
  const MappedFile file(path);
  Hash64 hash;
  hash.Update(file.bytes());
  return {.size_bytes = std::ssize(file.bytes()), .xxh64 = hash.Digest()};
}

// The tensor of `others` in the place of each one of `tensors`, which has the same structure.
std::map<const Tensor*, Tensor*> Counterparts(ModelTensors<Tensor>& tensors,
                                              ModelTensors<Tensor>& others) {
  std::vector<Tensor*> places;
  const auto add = [&](Tensor& tensor) { places.push_back(&tensor); };
  ForEachTensor(others, add, add);
  std::map<const Tensor*, Tensor*> counterparts;
  size_t index = 0;
  const auto match = [&](Tensor& tensor) { counterparts[&tensor] = places[index++]; };
  ForEachTensor(tensors, match, match);
  return counterparts;
}

// All f32 tensors of a run under their names, in a fixed order.
void ForEachStateTensor(Trainer& trainer,
                        const std::function<void(const std::string&, TensorView)>& visit) {
  ModelTensors<Tensor>& masters = trainer.weights().masters();
  const auto visit_all = [&](const std::string& prefix, ModelTensors<Tensor>& tensors) {
    std::map<const Tensor*, Tensor*> of_master = Counterparts(masters, tensors);
    ForEachParameter(trainer.config(), masters, [&](const ParameterOf<Tensor>& parameter) {
      Tensor& tensor =
          *of_master.at(parameter.matrix != nullptr ? parameter.matrix : parameter.vector);
      if (tensor.empty()) return;  // a second moment that Muon has no need of
      visit(prefix + parameter.name, tensor.view().Rows(parameter.first_row, parameter.shape[0]));
    });
  };
  visit_all("master.", masters);
  visit_all("m.", trainer.optimizer().first_moments());
  visit_all("v.", trainer.optimizer().second_moments());
}

TrainingState DescribeRun(Trainer& trainer, const RunInputs& inputs) {
  TrainingState state{
      .step = trainer.num_steps(),
      .optimizer_steps = trainer.optimizer().num_steps(),
      .settings = SettingsOf(trainer.options()),
      .model_config = SortedModelConfig(trainer.config(), trainer.weights().compute().dtype)};
  if (const LossScaler* scaler = trainer.optional_loss_scaler()) {
    state.loss_scaler = scaler->state();
  }
  state.settings["seed"] = fmt::to_string(inputs.seed);
  state.settings["data"] = fmt::format("{:016x}", inputs.data_fingerprint);
  for (const auto& [name, text] : inputs.settings) {
    CHECK(state.settings.emplace(name, text).second, name);
  }
  return state;
}

[[noreturn]] void FailWith(const std::filesystem::path& path,
                           const std::vector<std::string>& problems) {
  constexpr size_t kMaxShown = 20;
  const size_t num_shown = std::min(problems.size(), kMaxShown);
  const std::span shown = std::span(problems).first(num_shown);
  const size_t num_left = problems.size() - num_shown;
  throw FormatError(fmt::format("{}: {}{}", Printable(path.string()), fmt::join(shown, "; "),
                                num_left > 0 ? fmt::format("; and {} more", num_left) : ""));
}

void VerifyFile(const std::filesystem::path& path, const FileSeal& expected,
                std::vector<std::string>& problems) {
  const std::string name = path.filename().string();
  try {
    const FileSeal seal = SealOf(path);
    if (seal.size_bytes != expected.size_bytes) {
      problems.push_back(fmt::format("{} has {} bytes, and was written with {}", name,
                                     seal.size_bytes, expected.size_bytes));
    } else if (seal.xxh64 != expected.xxh64) {
      problems.push_back(name + " was changed: its checksum does not fit");
    }
  } catch (const FormatError& error) {
    problems.push_back(error.what());
  }
}

// Each tensor of `trainer` that the checkpoint has not, or has in another shape, and each that is
// unknown.
std::vector<std::string> FindMisfits(const TensorTable& tensors, Trainer& trainer) {
  std::vector<std::string> problems;
  std::map<std::string, Shape> expected;
  ForEachStateTensor(trainer, [&](const std::string& name, TensorView view) {
    expected.emplace(name, view.shape());
    const TensorTable::Entry* entry = tensors.Find(name);
    if (entry == nullptr) {
      problems.push_back(name + " is missing");
    } else if (entry->view.dtype() != DType::kF32 || entry->view.shape() != view.shape()) {
      problems.push_back(fmt::format("{} is {} {}, expected f32 {}", name,
                                     Name(entry->view.dtype()), entry->view.shape().ToString(),
                                     view.shape().ToString()));
    }
  });
  for (const auto& [name, entry] : tensors.entries()) {
    if (!expected.contains(name)) problems.push_back(Quoted(name, 200) + " is of no parameter");
  }
  return problems;
}

}  // namespace

std::filesystem::path SaveCheckpoint(Context& context, const std::filesystem::path& run,
                                     Trainer& trainer, const RunInputs& inputs,
                                     const RunProgress& progress) {
  TrainingState state = DescribeRun(trainer, inputs);
  state.position = progress.position;
  state.carried = progress.carried;
  const std::filesystem::path path = run / kFolder / NameOfStep(state.step);
  std::deque<HostCopy> copies;  // of what is on another device
  std::vector<NamedTensor> tensors;
  ForEachStateTensor(trainer, [&](const std::string& name, TensorView view) {
    tensors.push_back({name, copies.emplace_back(context, view).view()});
  });
  AtomicDirectory directory(path);
  WriteSafetensors(directory.temporary() / kTensorsFile, tensors);
  state.files[kTensorsFile] = SealOf(directory.temporary() / kTensorsFile);
  WriteFileAtomically(directory.temporary() / kStateFile, FormatTrainingState(state));
  directory.Commit();
  return path;
}

Checkpoint OpenCheckpoint(const std::filesystem::path& path) {
  const MappedFile file(path / kStateFile);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  TrainingState state = ParseTrainingState(text, Printable(file.path().string()));
  std::vector<std::string> problems;
  if (!state.files.contains(kTensorsFile)) {
    problems.push_back(fmt::format("{} does not name {}", kStateFile, kTensorsFile));
  }
  for (const auto& [name, seal] : state.files) {
    // A fixed name, so that no path of a stranger is ever opened.
    if (name == kTensorsFile) {
      VerifyFile(path / kTensorsFile, seal, problems);
    } else {
      problems.push_back("unknown file " + Quoted(name, 200));
    }
  }
  if (!problems.empty()) FailWith(path, problems);
  return {
      .path = path, .state = std::move(state), .tensors = ReadSafetensorsFile(path / kTensorsFile)};
}

FoundCheckpoint FindNewestCheckpoint(const std::filesystem::path& run,
                                     const CheckpointChoice& choice) {
  FoundCheckpoint found;
  for (const int64_t step : StepsNewestFirst(run)) {
    if (step >= choice.before || step == choice.except) continue;
    const std::filesystem::path path = run / kFolder / NameOfStep(step);
    try {
      Checkpoint checkpoint = OpenCheckpoint(path);
      if (checkpoint.state.step != step) {
        FailWith(path, {fmt::format("it is of step {}", checkpoint.state.step)});
      }
      found.newest = std::move(checkpoint);
      return found;
    } catch (const FormatError& error) {
      found.passed_over.push_back(error.what());
    }
  }
  return found;
}

void RestoreCheckpoint(Context& context, const Checkpoint& checkpoint, const RunInputs& inputs,
                       Trainer& trainer) {
  const std::vector<std::string> differences =
      FindDifferences(checkpoint.state, DescribeRun(trainer, inputs));
  if (!differences.empty()) {
    throw ConfigError(
        fmt::format("{} is of another run: {}; go on with what it was saved with, or "
                    "start a new run",
                    Printable(checkpoint.path.string()), fmt::join(differences, "; ")));
  }
  const std::vector<std::string> misfits = FindMisfits(checkpoint.tensors, trainer);
  if (!misfits.empty()) FailWith(checkpoint.path, misfits);
  ForEachStateTensor(trainer, [&](const std::string& name, TensorView view) {
    Copy(context, checkpoint.tensors.Find(name)->view, view);
  });
  Synchronize(context);
  if (LossScaler* scaler = trainer.optional_loss_scaler();
      scaler != nullptr && checkpoint.state.loss_scaler) {
    scaler->Restore(*checkpoint.state.loss_scaler);
  }
  trainer.Restore(context, checkpoint.state.step, checkpoint.state.optimizer_steps);
}

void KeepCheckpoints(const std::filesystem::path& run, int64_t num_kept) {
  CHECK(num_kept >= 1, num_kept);
  RemoveLeftovers(run);
  const FoundCheckpoint found = FindNewestCheckpoint(run);
  if (!found.newest) return;
  for (const int64_t step : StepsNewestFirst(run)) {
    if (step > found.newest->state.step || num_kept-- > 0) continue;
    RemoveDirectoryAtomically(run / kFolder / NameOfStep(step));
  }
}

void RemoveCheckpoint(const std::filesystem::path& run, int64_t step) {
  const std::filesystem::path path = run / kFolder / NameOfStep(step);
  if (std::filesystem::exists(path)) RemoveDirectoryAtomically(path);
}

void RemoveCheckpointsAfter(const std::filesystem::path& run, int64_t step) {
  for (const int64_t other : StepsNewestFirst(run)) {
    if (other > step) RemoveCheckpoint(run, other);
  }
}

}  // namespace tandem
