#pragma once
// Named tensors of a checkpoint, whatever file format they came from. Views point into mapped files
// that the table owns, or into copies it owns where a file's own bytes cannot be viewed
// (alignment).

#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/mapped_file.h"
#include "kernels/core/tensor.h"

namespace tandem {

class TensorTable {
 public:
  static constexpr size_t kNoFile = std::numeric_limits<size_t>::max();
  struct Entry {
    ConstTensorView view;
    size_t file = 0;  // index into the table's files; kNoFile: a copy
  };

  void AddFile(MappedFile file) { files_.push_back(std::move(file)); }
  size_t num_files() const { return files_.size(); }
  const MappedFile& file(size_t index) const { return files_[index]; }
  // Keeps a tensor for as long as the table lives.
  Entry Own(Tensor tensor);
  // False when the name is there already.
  bool Add(std::string name, Entry entry) {
    return entries_.emplace(std::move(name), entry).second;
  }
  // Gives a tensor another name. False, and nothing happens, when that is there already.
  bool Rename(std::string_view name, std::string new_name);
  // Puts another tensor in the place of one that is there.
  void Replace(std::string_view name, Entry entry);
  void Remove(std::string_view name);
  const Entry* Find(std::string_view name) const {
    const auto it = entries_.find(name);
    return it == entries_.end() ? nullptr : &it->second;
  }
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  // The tensor was consumed (packed): its file pages may be dropped.
  void Forget(const Entry& entry) const;
  int64_t size_bytes() const;
  // What the files say about themselves ("__metadata__"); the first file wins.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  void AddMetadata(const std::map<std::string, std::string>& metadata) {
    metadata_.insert(metadata.begin(), metadata.end());
  }

 private:
  std::vector<MappedFile> files_;
  std::vector<Tensor> copies_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry, std::less<>> entries_;
};

// Reads model.safetensors, or the shards that model.safetensors.index.json names. Hostile headers
// (sizes, offsets, overlaps, gaps, deep JSON, duplicate names, paths that leave the directory) are
// FormatErrors; nothing outside a tensor's own bytes is ever read through a view.
TensorTable ReadSafetensors(const std::filesystem::path& directory);

}  // namespace tandem
