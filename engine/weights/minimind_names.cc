#include "engine/weights/minimind_names.h"

#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/printable.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

struct NamePair {
  std::string_view first;
  std::string_view today;
};

constexpr NamePair kOutside[] = {
    {"tok_embeddings.weight", "model.embed_tokens.weight"},
    {"norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};

// Behind "layers.<i>."; a row that ends with a dot is the front of a name.
constexpr NamePair kInLayer[] = {
    {"attention_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"attention.wq.weight", "self_attn.q_proj.weight"},
    {"attention.wk.weight", "self_attn.k_proj.weight"},
    {"attention.wv.weight", "self_attn.v_proj.weight"},
    {"attention.wo.weight", "self_attn.o_proj.weight"},
    {"feed_forward.gate.weight", "mlp.gate.weight"},
    {"feed_forward.shared_experts.", "mlp.shared_experts.0."},  // there was one of them
    {"feed_forward.experts.", "mlp.experts."},
    {"feed_forward.", "mlp."},
};

constexpr NamePair kInFeedForward[] = {
    {"w1.weight", "gate_proj.weight"},
    {"w2.weight", "down_proj.weight"},
    {"w3.weight", "up_proj.weight"},
};

constexpr std::string_view kWrappers[] = {"module.", "_orig_mod."};
constexpr std::string_view kQuery = "self_attn.q_proj.weight";
constexpr std::string_view kKey = "self_attn.k_proj.weight";
constexpr std::string_view kRotations = "pos_cis";  // follows from the config

std::string WithoutWrappers(std::string_view name) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view wrapper : kWrappers) {
      if (!name.starts_with(wrapper)) continue;
      name.remove_prefix(wrapper.size());
      found = true;
    }
  }
  return std::string(name);
}

std::string WithTodaysMatrix(std::string name) {
  for (const NamePair& pair : kInFeedForward) {
    if (!name.ends_with(pair.first)) continue;
    name.replace(name.size() - pair.first.size(), pair.first.size(), pair.today);
    break;
  }
  return name;
}

// A name that the first code did not use stays as it is, and the loader reports it.
std::string TodaysName(std::string_view name) {
  for (const NamePair& pair : kOutside) {
    if (name == pair.first) return std::string(pair.today);
  }
  constexpr std::string_view kLayers = "layers.";
  const size_t dot = name.starts_with(kLayers) ? name.find('.', kLayers.size()) : name.npos;
  if (dot == name.npos) return std::string(name);
  const std::string layer = "model." + std::string(name.substr(0, dot + 1));
  const std::string_view rest = name.substr(dot + 1);
  for (const NamePair& pair : kInLayer) {
    if (rest == pair.first) return layer + std::string(pair.today);
    if (pair.first.ends_with('.') && rest.starts_with(pair.first)) {
      return WithTodaysMatrix(layer + std::string(pair.today) +
                              std::string(rest.substr(pair.first.size())));
    }
  }
  return std::string(name);
}

// Where row `row` of heads that have pairs together goes when halves are apart: row 2i of a head
// becomes its row i, row 2i + 1 becomes row i + head_dim / 2.
int64_t RowOfHalves(int64_t row, int64_t head_dim) {
  const int64_t in_head = row % head_dim;
  return row - in_head + in_head / 2 + in_head % 2 * (head_dim / 2);
}

void CopyRow(const ConstTensorView& from, int64_t from_row, Tensor& to, int64_t to_row) {
  const auto row_bytes = static_cast<size_t>(from.dim(1) * SizeOf(from.dtype()));
  std::memcpy(to.view().bytes() + static_cast<size_t>(to_row) * row_bytes,
              from.bytes() + static_cast<size_t>(from_row) * row_bytes, row_bytes);
}

Tensor WithHalvesApart(const ConstTensorView& paired, int64_t head_dim) {
  Tensor halves(paired.dtype(), paired.shape());
  for (int64_t row = 0; row < paired.dim(0); ++row) {
    CopyRow(paired, row, halves, RowOfHalves(row, head_dim));
  }
  return halves;
}

void PutHalvesApart(const std::string& name, int64_t num_heads, int64_t head_dim,
                    const std::string& where, TensorTable* table) {
  const ConstTensorView view = table->Find(name)->view;
  if (view.shape().rank() != 2 || view.dim(0) != num_heads * head_dim || head_dim % 2 != 0) {
    throw FormatError(where + ": " + Quoted(name, 200) + " has the shape " +
                      view.shape().ToString() + ", which are not " + std::to_string(num_heads) +
                      " heads of " + std::to_string(head_dim) + "; give the heads of this model");
  }
  table->Replace(name, table->Own(WithHalvesApart(view, head_dim)));
}

std::vector<std::string> NamesOf(const TensorTable& table) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : table.entries()) names.push_back(name);
  return names;
}

void Rename(const std::string& name, const std::string& new_name, const std::string& where,
            TensorTable* table) {
  if (table->Rename(name, new_name)) return;
  throw FormatError(where + ": " + Quoted(name, 200) + " would be " + Quoted(new_name, 200) +
                    ", which is there already");
}

}  // namespace

bool HasFirstMiniMindNames(const TensorTable& table) {
  for (const auto& [name, entry] : table.entries()) {
    if (WithoutWrappers(name) == kOutside[0].first) return true;
  }
  return false;
}

void UseHuggingFaceNames(const ModelConfig& config, const std::string& where, TensorTable* table) {
  const bool is_first = HasFirstMiniMindNames(*table);
  for (const std::string& name : NamesOf(*table)) {
    const std::string bare = WithoutWrappers(name);
    if (is_first && bare == kRotations) {
      table->Remove(name);
    } else {
      Rename(name, is_first ? TodaysName(bare) : bare, where, table);
    }
  }
  if (!is_first) return;
  for (const std::string& name : NamesOf(*table)) {
    if (name.ends_with(kQuery)) {
      PutHalvesApart(name, config.num_heads, config.head_dim, where, table);
    } else if (name.ends_with(kKey)) {
      PutHalvesApart(name, config.num_kv_heads, config.head_dim, where, table);
    }
  }
}

bool HasRotatedRows(std::string_view today) {
  return today.ends_with(kQuery) || today.ends_with(kKey);
}

Tensor WithPairsTogether(const ConstTensorView& halves, int64_t head_dim) {
  CHECK(halves.shape().rank() == 2 && head_dim % 2 == 0 && halves.dim(0) % head_dim == 0, head_dim);
  Tensor paired(halves.dtype(), halves.shape());
  for (int64_t row = 0; row < halves.dim(0); ++row) {
    CopyRow(halves, RowOfHalves(row, head_dim), paired, row);
  }
  return paired;
}

std::string FirstMiniMindName(std::string_view today) {
  for (const NamePair& pair : kOutside) {
    if (today == pair.today) return std::string(pair.first);
  }
  constexpr std::string_view kLayers = "model.layers.";
  const size_t dot = today.starts_with(kLayers) ? today.find('.', kLayers.size()) : today.npos;
  CHECK(dot != today.npos, std::string(today));
  constexpr size_t kModel = std::string_view("model.").size();
  const std::string layer(today.substr(kModel, dot + 1 - kModel));  // "layers.0."
  const std::string_view rest = today.substr(dot + 1);
  for (const NamePair& pair : kInLayer) {
    if (rest == pair.today) return layer + std::string(pair.first);
    if (!pair.today.ends_with('.') || !rest.starts_with(pair.today)) continue;
    std::string name =
        layer + std::string(pair.first) + std::string(rest.substr(pair.today.size()));
    for (const NamePair& matrix : kInFeedForward) {
      if (!name.ends_with(matrix.today)) continue;
      return name.replace(name.size() - matrix.today.size(), matrix.today.size(), matrix.first);
    }
  }
  CHECK(false, std::string(today));
  return "";
}

}  // namespace tandem
