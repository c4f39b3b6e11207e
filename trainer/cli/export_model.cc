#include "trainer/cli/export_model.h"

#include <fmt/format.h>

#include <ostream>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "engine/config/exported_config.h"
#include "engine/text/tokenizer_files.h"
#include "engine/weights/export.h"
#include "engine/weights/loader.h"
#include "kernels/core/error.h"
#include "trainer/cli/commands.h"
#include "trainer/cli/converted_model.h"

namespace tandem {
namespace {

bool IsDirectoryFormat(ExportFormat format) {
  return format == ExportFormat::kHuggingFace || format == ExportFormat::kSame;
}

void CheckOutput(const ExportOptions& options) {
  const bool is_directory = std::filesystem::is_directory(options.output);
  if (IsDirectoryFormat(options.format)) {
    if (std::filesystem::exists(options.output) && !is_directory) {
      throw ConfigError("--output " + Quoted(options.output.string()) +
                        " is a file, and this format is a directory");
    }
    std::error_code ignored;
    if (is_directory && std::filesystem::equivalent(options.model, options.output, ignored)) {
      throw ConfigError("--output is --model itself; give another directory");
    }
  } else if (is_directory || options.output.extension() != ".pth") {
    throw ConfigError("--output " + Quoted(options.output.string()) +
                      ": this format is one file; give a name that ends in .pth");
  }
  if (!options.overwrite) CheckNothingThere(options.output);
}

ModelConfig ExportedConfig(const ModelConfig& config, ExportFormat format) {
  switch (format) {
    case ExportFormat::kHuggingFace:
      return ForTransformers(config);
    case ExportFormat::kSame:
      return config;
    case ExportFormat::kMiniMind:
      return ForMiniMind(config, Architecture::kMiniMind);
    case ExportFormat::kMiniMind2:
    case ExportFormat::kMiniMindFirst:
      return ForMiniMind(config, Architecture::kMiniMind2);
  }
  return config;
}

DType FileDType(const ExportOptions& options, const TensorTable& table) {
  if (options.dtype) return *options.dtype;
  return IsDirectoryFormat(options.format) ? StoredDType(table) : DType::kF16;
}

// What MiniMind's programs must be told beside the file.
void PrintMiniMindSettings(const ModelConfig& config, std::ostream& out) {
  out << fmt::format(
      "its settings      hidden_size {}, num_hidden_layers {}, num_attention_heads {}, "
      "num_key_value_heads {}, intermediate_size {}, use_moe {}\n",
      config.hidden_size, config.num_layers, config.num_heads, config.num_kv_heads,
      config.intermediate_size, config.moe.num_experts > 0 ? 1 : 0);
}

void WritePthFile(Context& context, const ExportArgs& args, const ExportOptions& options) {
  if (options.format != ExportFormat::kMiniMindFirst) {
    ExportMiniMindPth(context, args, options.output);
    return;
  }
  if (args.config.moe.num_shared > 1) {
    throw ConfigError(fmt::format(
        "the model has {} shared experts, and MiniMind's first code one; use --format minimind2",
        args.config.moe.num_shared));
  }
  ExportFirstMiniMindPth(context, args, options.output);
}

}  // namespace

void AddExportSettings(Settings& settings, ExportOptions& options) {
  settings.Add("model", &options.model,
               {.help = "model directory", .value_name = "DIR", .required = true});
  settings.Add("output", &options.output,
               {.help = "directory, or file of the .pth formats", .required = true});
  settings.AddChoice("format", &options.format,
                     {{"huggingface", ExportFormat::kHuggingFace},
                      {"same", ExportFormat::kSame},
                      {"minimind", ExportFormat::kMiniMind},
                      {"minimind2", ExportFormat::kMiniMind2},
                      {"minimind-first", ExportFormat::kMiniMindFirst}},
                     {.help = "huggingface: a directory that transformers loads; same: a directory "
                              "of the model's own architecture; the others: a .pth file "
                              "that MiniMind's programs of that generation load"});
  AddStoredDTypeSetting(settings, &options.dtype, "as they are stored, and fp16 in .pth files");
  settings.Add("overwrite", &options.overwrite, {.help = "replace files that are there"});
  settings.Add("threads", &options.threads, {.help = "0: one a processor", .min = 0, .max = 1024});
}

int ExportModel(const CommandLine& line) {
  ExportOptions options;
  Settings settings("tandem-train export", "Writes a model for other programs.");
  AddExportSettings(settings, options);
  IgnoreOtherTrainCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  CheckOutput(options);
  const ModelConfig config = ReadModelConfig(options.model);
  const ModelConfig exported = ExportedConfig(config, options.format);
  const TensorTable table = ReadSafetensors(options.model);
  const DType dtype = FileDType(options, table);
  ThreadPool pool(options.threads > 0 ? static_cast<int>(options.threads) : AvailableProcessors());
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  // f32 holds what any file has exactly.
  ModelWeights weights = LoadWeights(context, table, config, DType::kF32, options.model.string());
  const ExportArgs args{.config = exported, .weights = weights, .dtype = dtype};
  line.out << fmt::format("model             {} parameters of {}, as {} in {}\n",
                          FormatCount(config.num_parameters()), Name(config.architecture),
                          Name(exported.architecture), Name(dtype));
  if (IsDirectoryFormat(options.format)) {
    ExportHuggingFace(context, args, options.output);
    CopyTokenizerFiles(options.model, options.output);
  } else {
    WritePthFile(context, args, options);
    PrintMiniMindSettings(exported, line.out);
  }
  line.out << fmt::format("written           {}\n", Printable(options.output.string()));
  return 0;
}

}  // namespace tandem
