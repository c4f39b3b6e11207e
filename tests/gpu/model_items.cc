// Parts whose items are runs of whole models in this process.

#include <algorithm>
#include <cmath>

#include "engine/model_runner.h"
#include "kernels/core/devices.h"
#include "tests/gpu/parts.h"
#include "tests/support/device_context.h"
#include "tests/support/invariance.h"
#include "tests/support/random_model.h"
#include "tests/support/runner_session.h"
#include "tests/support/training_steps.h"

namespace tandem {
namespace {

struct ModelCase {
  std::string shape;
  ModelConfig config;
  DType dtype;

  std::string name() const { return shape + " " + std::string(Name(dtype)); }
};

// Of a few layers, and heads of another width.
ModelConfig Short(ModelConfig config, int64_t num_layers, int64_t head_dim) {
  config.num_layers = num_layers;
  config.windows.assign(static_cast<size_t>(num_layers), 0);
  config.head_dim = head_dim;
  return config;
}

// Every width of heads that attention has tiles for, plain code beside it, and mixtures.
std::vector<ModelCase> Models(const CheckOptions& options) {
  std::vector<ModelCase> models;
  if (options.tiny) {
    const ModelConfig small = Short(Stories260KConfig(), 2, Stories260KConfig().head_dim);
    return {{"260K", small, DType::kBf16}, {"260K", small, DType::kF32}};
  }
  for (const DType dtype : {DType::kBf16, DType::kF32, DType::kI8}) {
    models.push_back({"26M", MiniMind26MConfig(), dtype});
    models.push_back({"145M mixture", MiniMindMoe145MConfig(), dtype});
  }
  models.push_back({"104M", MiniMind104MConfig(), DType::kBf16});
  models.push_back({"heads of 80", Short(MiniMind26MConfig(), 3, 80), DType::kBf16});
  models.push_back({"heads of 128", Short(MiniMind26MConfig(), 3, 128), DType::kBf16});
  models.push_back({"260K", Stories260KConfig(), DType::kBf16});
  models.push_back({"26M", Short(MiniMind26MConfig(), 3, 64), DType::kF16});
  return models;
}

using CheckModel = std::function<Finding(const ModelCase&, Device)>;

std::vector<CheckItem> ItemsOf(std::vector<ModelCase> models, const CheckOptions& options,
                               const CheckModel& check) {
  const Device device = FindDevice(options.device);
  std::erase_if(models, [&](const ModelCase& model) {
    return model.name().find(options.filter) == std::string::npos;
  });
  std::vector<CheckItem> items;
  for (const ModelCase& model : models) {
    items.push_back(
        {model.name(), [model, device, check](const RowSink&) { return check(model, device); }});
  }
  return items;
}

// Those that can be trained.
std::vector<ModelCase> TrainableModels(const CheckOptions& options) {
  std::vector<ModelCase> models = Models(options);
  std::erase_if(models, [](const ModelCase& model) { return model.dtype == DType::kI8; });
  return models;
}

std::string FirstOf(const std::vector<std::string>& errors) {
  if (errors.empty()) return "";
  return std::to_string(errors.size()) + " differences, the first: " + errors.front();
}

TrainingSteps StepsOn(Context& context, const ModelCase& model, int num_steps) {
  TrainerOptions options;
  options.schedule.rate = 0.001;
  options.schedule.num_steps = 100;
  options.max_tokens = 48;
  DeviceContext on_cpu(kCpuDevice, AvailableProcessors());
  return RunTrainingSteps(context, model.config,
                          RandomWeights(on_cpu, model.config, model.dtype, 5), options, num_steps);
}

// Where the ways part, in words.
std::string Divergence(const TrainingSteps& got, const TrainingSteps& want, double tolerance) {
  const auto apart = [](double a, double b, double share) {
    return !(std::abs(a - b) <= share * std::abs(b));
  };
  if (!got.skipped.empty()) return "a step was skipped: " + got.skipped.front();
  for (size_t i = 0; i < want.losses.size(); ++i) {
    const std::string step = "step " + std::to_string(i + 1) + ": ";
    if (apart(got.losses[i], want.losses[i], tolerance)) {
      return step + "loss " + std::to_string(got.losses[i]) + ", the CPU's " +
             std::to_string(want.losses[i]);
    }
    if (apart(got.norms[i], want.norms[i], 5 * tolerance)) {
      return step + "norm " + std::to_string(got.norms[i]) + ", the CPU's " +
             std::to_string(want.norms[i]);
    }
  }
  if (!(got.losses.back() < got.losses.front())) return "the loss does not fall";
  return "";
}

Finding CheckTraining(const ModelCase& model, Device device, int num_steps) {
  DeviceContext on_cpu(kCpuDevice, AvailableProcessors());
  DeviceContext on_device(device);
  const TrainingSteps want = StepsOn(on_cpu, model, num_steps);
  const TrainingSteps got = StepsOn(on_device, model, num_steps);
  const double tolerance = model.dtype == DType::kF32 ? 1e-3 : 0.02;
  std::string error = Divergence(got, want, tolerance);
  if (error.empty() && StepsOn(on_device, model, num_steps) != got) {
    error = "other bits the second time";
  }
  if (!error.empty()) return Failed(std::move(error));
  return Passed("loss " + std::to_string(got.losses.front()) + " to " +
                std::to_string(got.losses.back()) + ", the CPU's to " +
                std::to_string(want.losses.back()));
}

std::vector<TokenId> GreedyTokens(const ModelCase& model, Device device, int64_t num_tokens) {
  ModelRunnerOptions options{.device = device, .dtype = model.dtype};
  options.max_context = 256;
  options.kv_bytes = 64 << 20;
  options.max_sequences = 8;
  DeviceContext on_cpu(kCpuDevice, AvailableProcessors());
  ModelRunner runner(model.config, RandomWeights(on_cpu, model.config, model.dtype, 5), options);
  SessionOptions session{.max_new_tokens = num_tokens};
  session.sampling.temperature = 0;
  return RunSession(runner, RandomTokens(model.config, 37, 1), session).tokens;
}

Finding CheckGreedy(const ModelCase& model, Device device, int64_t num_tokens) {
  const std::vector<TokenId> want = GreedyTokens(model, kCpuDevice, num_tokens);
  const std::vector<TokenId> got = GreedyTokens(model, device, num_tokens);
  const auto [at, ignored] = std::mismatch(got.begin(), got.end(), want.begin(), want.end());
  if (at == got.end()) return Passed(std::to_string(got.size()) + " tokens");
  return Failed("token " + std::to_string(at - got.begin() + 1) + " of " +
                std::to_string(num_tokens) + " is another than on the CPU");
}

}  // namespace

std::vector<CheckItem> InvarianceItems(const CheckOptions& options) {
  InvarianceWorkload workload;
  if (options.tiny) workload = {.num_requests = 6, .max_prompt = 90, .max_new = 3};
  return ItemsOf(Models(options), options, [workload](const ModelCase& model, Device device) {
    std::string error = FirstOf(InvarianceErrors(
        {.config = model.config, .dtype = model.dtype, .device = device}, workload));
    if (!error.empty()) return Failed(std::move(error));
    return Passed(Describe(CountProducts(DeviceContext(device))));
  });
}

std::vector<CheckItem> ParityItems(const CheckOptions& options) {
  ServedText text{.prompt_tokens = 600, .new_tokens = 24, .chunk = 128};
  if (options.tiny) text = {.prompt_tokens = 12, .new_tokens = 3, .chunk = 5};
  return ItemsOf(TrainableModels(options), options, [text](const ModelCase& model, Device device) {
    DeviceContext context(device);
    ServedText fitting = text;
    fitting.prompt_tokens =
        std::min(text.prompt_tokens, model.config.max_context() - text.new_tokens);
    return FailedUnlessEmpty(TrainServeDifference(context, model.config, model.dtype, fitting));
  });
}

std::vector<CheckItem> TrainingItems(const CheckOptions& options) {
  const int num_steps = options.tiny ? 3 : 10;
  return ItemsOf(TrainableModels(options), options,
                 [num_steps](const ModelCase& model, Device device) {
                   return CheckTraining(model, device, num_steps);
                 });
}

// In fp32 only: with rounded activations two tokens may be so near that the order of sums decides.
std::vector<CheckItem> GreedyItems(const CheckOptions& options) {
  const int64_t num_tokens = options.tiny ? 4 : 64;
  std::vector<ModelCase> models = Models(options);
  std::erase_if(models, [](const ModelCase& model) { return model.dtype != DType::kF32; });
  return ItemsOf(std::move(models), options, [num_tokens](const ModelCase& model, Device device) {
    return CheckGreedy(model, device, num_tokens);
  });
}

}  // namespace tandem
