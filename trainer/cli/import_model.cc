#include "trainer/cli/import_model.h"

#include <fmt/format.h>

#include <fstream>
#include <ostream>
#include <sstream>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "engine/text/tokenizer_files.h"
#include "engine/weights/export.h"
#include "engine/weights/loader.h"
#include "engine/weights/minimind_names.h"
#include "engine/weights/pth.h"
#include "kernels/core/error.h"
#include "trainer/cli/commands.h"
#include "trainer/cli/converted_model.h"

namespace tandem {
namespace {

constexpr const char* kShapeFlags[] = {"num-attention-heads", "rope-theta", "num-experts-per-tok",
                                       "max-position-embeddings", "rms-norm-eps"};

void CheckOptions(const ImportOptions& options, const Settings& settings) {
  if (!options.model_config.empty()) {
    for (const char* flag : kShapeFlags) {
      if (!settings.IsSet(flag)) continue;
      throw ConfigError(fmt::format(
          "--{} and --model-config both describe the model: change the config.json instead", flag));
    }
  }
  if (std::filesystem::exists(options.output) && !std::filesystem::is_directory(options.output)) {
    throw ConfigError("--output " + Quoted(options.output.string()) + " is not a directory");
  }
  if (!options.overwrite) CheckNothingThere(options.output);
}

ModelConfig ReadConfigFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) {
    throw ConfigError("--model-config " + Quoted(path.string()) + " cannot be read");
  }
  return ParseModelConfig(text.str(), path.string());
}

void PrintModel(const ImportOptions& options, const ModelConfig& config, std::ostream& out) {
  out << fmt::format("model             {}: {} parameters, {} layers of {}, {} heads over {}\n",
                     Name(config.architecture), FormatCount(config.num_parameters()),
                     config.num_layers, config.hidden_size, config.num_heads, config.num_kv_heads);
  if (!options.model_config.empty()) return;
  out << fmt::format("not in the file   {} heads, RoPE theta {:g}, context {}", config.num_heads,
                     config.rope.theta, config.max_context());
  if (config.moe.num_experts > 0) out << fmt::format(", {} experts a token", config.moe.top_k);
  out << ": told, or as in the published models\n";
}

void PrintLeftOut(const std::vector<std::string>& keys, std::ostream& out) {
  if (keys.empty()) return;
  out << "left out         ";
  for (const std::string& key : keys) out << ' ' << Printable(key, 40);
  out << '\n';
}

}  // namespace

void AddImportSettings(Settings& settings, ImportOptions& options) {
  settings.Add("from", &options.from,
               {.help = "a PyTorch checkpoint of MiniMind (.pth), of any generation",
                .value_name = "FILE",
                .required = true});
  settings.Add("output", &options.output,
               {.help = "model directory to write", .value_name = "DIR", .required = true});
  settings.Add("tokenizer", &options.tokenizer,
               {.help = "directory whose tokenizer goes along", .value_name = "DIR"});
  AddStoredDTypeSetting(settings, &options.dtype, "as they are stored");
  settings.Add("overwrite", &options.overwrite, {.help = "replace files that are there"});
  settings.Add("threads", &options.threads, {.help = "0: one a processor", .min = 0, .max = 1024});
  const std::string group = "what the file does not say";
  settings.Add("model-config", &options.model_config,
               {.help = "config.json; default: as the tensors' shapes and the flags below say",
                .value_name = "FILE",
                .group = group});
  settings.Add("num-attention-heads", &options.shape.num_heads,
               {.help = "of MiniMind2; default: 8, or 16 where half as many keys are stored",
                .min = 1,
                .max = 1024,
                .group = group});
  settings.Add("rope-theta", &options.shape.rope_theta,
               {.help = "default: 1e6, or 1e4 with 16 heads", .above = 0.0, .group = group});
  settings.Add("num-experts-per-tok", &options.shape.top_k,
               {.help = "default: 2 in MiniMind2, 1 in minimind-3", .min = 1, .group = group});
  settings.Add("max-position-embeddings", &options.shape.max_positions,
               {.help = "the context; default: 32768", .min = 1, .group = group});
  settings.Add("rms-norm-eps", &options.shape.norm_eps,
               {.help = "default: 1e-5 in MiniMind2, 1e-6 in minimind-3",
                .max = 0.1,
                .above = 0.0,
                .group = group});
}

int ImportModel(const CommandLine& line) {
  ImportOptions options;
  Settings settings("tandem-train import", "Makes a model directory of a PyTorch checkpoint.");
  AddImportSettings(settings, options);
  IgnoreOtherTrainCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  CheckOptions(options, settings);
  const std::string where = options.from.string();
  PthFile file = ReadPth(options.from);
  const ModelConfig config = options.model_config.empty()
                                 ? MiniMindConfigOf(file.tensors, options.shape, where)
                                 : ReadConfigFile(options.model_config);
  PrintModel(options, config, line.out);
  PrintLeftOut(file.other_keys, line.out);
  const DType dtype = options.dtype.value_or(StoredDType(file.tensors));
  UseHuggingFaceNames(config, where, &file.tensors);
  ThreadPool pool(options.threads > 0 ? static_cast<int>(options.threads) : AvailableProcessors());
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  // f32 holds what any file has exactly.
  ModelWeights weights = LoadWeights(context, file.tensors, config, DType::kF32, where);
  ExportHuggingFace(context, {.config = config, .weights = weights, .dtype = dtype},
                    options.output);
  if (!options.tokenizer.empty()) CopyTokenizerFiles(options.tokenizer, options.output);
  line.out << fmt::format("written           {} in {}\n", Printable(options.output.string()),
                          Name(dtype));
  return 0;
}

}  // namespace tandem
