#include "engine/weights/loader.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "kernels/quantize.h"

namespace tandem {
namespace {

constexpr size_t kMaxListed = 20;  // problems of one kind that a message spells out

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

// Buffers that some exporters store although they follow from the config.
bool IsDerived(std::string_view name) {
  return EndsWith(name, "rotary_emb.inv_freq") || EndsWith(name, "freqs_cos") ||
         EndsWith(name, "freqs_sin");
}

// A tensor as the model wants it: maybe a slice of a stacked one.
struct Source {
  ConstTensorView view;
  const TensorTable::Entry* entry = nullptr;
};

// Expert `index` of a stack [experts, rows, columns], rows [first, first + count).
ConstTensorView Slice(const ConstTensorView& stack, int64_t index, int64_t first, int64_t count) {
  const int64_t rows = stack.dim(1);
  return stack.Reshaped({stack.dim(0) * rows, stack.dim(2)}).Rows(index * rows + first, count);
}

// The checkpoint under the names that ForEachParameter uses. transformers 5 stacks experts into
// mlp.experts.gate_up_proj [E, 2I, H] (gate rows, then up rows) and mlp.experts.down_proj [E, H,
// I].
std::map<std::string, Source, std::less<>> Canonical(const TensorTable& table) {
  std::map<std::string, Source, std::less<>> sources;
  for (const auto& [name, entry] : table.entries()) {
    const bool gate_up = EndsWith(name, ".experts.gate_up_proj");
    const bool down = EndsWith(name, ".experts.down_proj");
    if ((!gate_up && !down) || entry.view.shape().rank() != 3) {
      sources[name] = {entry.view, &entry};
      continue;
    }
    const std::string prefix = name.substr(0, name.rfind('.') + 1);
    const int64_t rows = entry.view.dim(1);
    for (int64_t expert = 0; expert < entry.view.dim(0); ++expert) {
      const std::string of_expert = prefix + std::to_string(expert) + ".";
      if (down) {
        sources[of_expert + "down_proj.weight"] = {Slice(entry.view, expert, 0, rows), &entry};
      } else {
        const int64_t half = rows / 2;
        sources[of_expert + "gate_proj.weight"] = {Slice(entry.view, expert, 0, half), &entry};
        sources[of_expert + "up_proj.weight"] = {Slice(entry.view, expert, half, rows - half),
                                                 &entry};
      }
    }
  }
  return sources;
}

bool IsFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBf16;
}

std::string Listed(const std::string& title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string text = "\n  " + title + " (" + std::to_string(items.size()) + "):";
  for (size_t i = 0; i < std::min(items.size(), kMaxListed); ++i) text += "\n    " + items[i];
  if (items.size() > kMaxListed) text += "\n    ...";
  return text;
}

// Compares what the model needs with what the checkpoint has; throws when they differ.
void CheckComplete(const ModelConfig& config, ModelWeights& weights,
                   const std::map<std::string, Source, std::less<>>& sources,
                   const std::string& where) {
  std::vector<std::string> missing, unexpected, wrong;
  std::set<std::string, std::less<>> known;
  ForEachParameter(config, weights, [&](const Parameter& parameter) {
    known.insert(parameter.name);
    const auto found = sources.find(parameter.name);
    if (found == sources.end()) {
      missing.push_back(parameter.name + " " + parameter.shape.ToString());
      return;
    }
    const ConstTensorView& view = found->second.view;
    if (view.shape() != parameter.shape) {
      wrong.push_back(parameter.name + ": the file has " + view.shape().ToString() +
                      ", the config says " + parameter.shape.ToString());
    } else if (!IsFloat(view.dtype())) {
      wrong.push_back(parameter.name + ": dtype " + std::string(Name(view.dtype())) +
                      "; f32, bf16 and f16 can be read");
    }
  });
  if (config.tie_embeddings) known.insert("lm_head.weight");  // the same tensor under another name
  for (const auto& [name, source] : sources) {
    if (!known.contains(name) && !IsDerived(name)) {
      unexpected.push_back(name + " " + source.view.shape().ToString());
    }
  }
  if (missing.empty() && unexpected.empty() && wrong.empty()) return;
  throw FormatError(where + ": the tensors do not fit the config (" +
                    std::string(Name(config.architecture)) + "):" + Listed("missing", missing) +
                    Listed("wrong", wrong) + Listed("unexpected", unexpected));
}

}  // namespace

ModelWeights LoadWeights(Context& context, const TensorTable& table, const ModelConfig& config,
                         DType dtype, const std::string& where) {
  const auto sources = Canonical(table);
  ModelWeights weights = AllocateWeights(config, dtype);
  CheckComplete(config, weights, sources, where);
  ForEachParameter(config, weights, [&](const Parameter& parameter) {
    const Source& source = sources.find(parameter.name)->second;
    if (parameter.matrix != nullptr) {
      PackRows(context, source.view, parameter.first_row, *parameter.matrix);
    } else {
      const int64_t size = parameter.shape[0];
      Convert(context,
              {.x = source.view, .y = parameter.vector->view().Rows(parameter.first_row, size)});
    }
    table.Forget(*source.entry);
  });
  return weights;
}

}  // namespace tandem
