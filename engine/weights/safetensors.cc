#include "engine/weights/safetensors.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "engine/weights/safetensors_header.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

ConstTensorView ViewOf(const MappedFile& file, const SafetensorsEntry& entry) {
  return {file.bytes().data() + entry.offset, entry.dtype, entry.shape};
}

bool IsAligned(const SafetensorsEntry& entry) {
  return entry.offset % static_cast<size_t>(SizeOf(entry.dtype)) == 0;
}

Tensor CopyOf(ConstTensorView view) {
  Tensor copy(view.dtype(), view.shape());
  if (view.size_bytes() > 0) {
    std::memcpy(copy.view().bytes(), view.bytes(), static_cast<size_t>(view.size_bytes()));
  }
  return copy;
}

void AddFile(const std::filesystem::path& path, TensorTable& table) {
  const std::string where = Printable(path.string());
  MappedFile file(path);
  SafetensorsHeader header = ParseSafetensorsHeader(file.bytes(), where);
  table.AddMetadata(header.metadata);
  const size_t index = table.num_files();
  table.AddFile(std::move(file));
  for (SafetensorsEntry& entry : header.entries) {
    const ConstTensorView view = ViewOf(table.file(index), entry);
    // Writers pad the header so that tensors are aligned, but the format does not demand it.
    const TensorTable::Entry added =
        IsAligned(entry) ? TensorTable::Entry{view, index} : table.Own(CopyOf(view));
    const std::string name = Quoted(entry.name, 200);
    if (!table.Add(std::move(entry.name), added)) {
      throw FormatError(where + ": tensor " + name + " is in another shard too");
    }
  }
}

// A name that cannot leave the directory. Links inside it may: download caches are made of them.
bool IsPlainFileName(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.find('\0') == std::string::npos &&
         name.ends_with(".safetensors") && !name.starts_with('.');
}

// weight_map of the index: tensor name -> shard's file name.
std::map<std::string, std::string> ReadWeightMap(const std::filesystem::path& path) {
  const std::string where = Printable(path.string());
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  const Json json =
      ParseJson(text, where, {.max_depth = 8, .max_bytes = kMaxSafetensorsHeaderBytes});
  const auto weights = json.is_object() ? json.find("weight_map") : json.end();
  if (weights == json.end() || !weights->is_object()) {
    throw FormatError(where + ": has no weight_map object");
  }
  std::map<std::string, std::string> weight_map;
  for (const auto& [tensor, shard] : weights->items()) {
    if (!shard.is_string() || !IsPlainFileName(shard.get_ref<const std::string&>())) {
      throw FormatError(where + ": tensor " + Quoted(tensor, 200) + " is in " +
                        Printable(shard.dump(), 200) +
                        ", expected the plain name of a .safetensors file beside the index");
    }
    weight_map.emplace(tensor, shard.get<std::string>());
  }
  if (weight_map.empty()) throw FormatError(where + ": weight_map names no tensor");
  return weight_map;
}

TensorTable ReadShards(const std::filesystem::path& directory) {
  const std::filesystem::path index = directory / kIndexFile;
  const std::map<std::string, std::string> weight_map = ReadWeightMap(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  TensorTable table;
  std::map<std::string, size_t> file_of_shard;
  for (const std::string& shard : shards) {
    file_of_shard.emplace(shard, table.num_files());
    AddFile(directory / shard, table);
  }
  for (const auto& [tensor, shard] : weight_map) {
    const TensorTable::Entry* entry = table.Find(tensor);
    const bool elsewhere = entry != nullptr && entry->file != TensorTable::kNoFile &&
                           entry->file != file_of_shard.at(shard);
    if (entry == nullptr || elsewhere) {
      throw FormatError(Printable(index.string()) + ": tensor " + Quoted(tensor, 200) +
                        " is not in " + Quoted(shard, 200));
    }
  }
  return table;
}

}  // namespace

TensorTable ReadSafetensorsFile(const std::filesystem::path& path) {
  TensorTable table;
  AddFile(path, table);
  return table;
}

TensorTable ReadSafetensors(const std::filesystem::path& directory) {
  std::error_code ignored;
  if (std::filesystem::exists(directory / kSingleFile, ignored)) {
    return ReadSafetensorsFile(directory / kSingleFile);
  }
  if (std::filesystem::exists(directory / kIndexFile, ignored)) return ReadShards(directory);
  throw FormatError("no " + std::string(kSingleFile) + " and no " + kIndexFile + " in " +
                    Quoted(directory.string()));
}

}  // namespace tandem
