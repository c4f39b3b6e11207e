#include "engine/weights/tensor_table.h"

#include <utility>

#include "kernels/core/check.h"

namespace tandem {

TensorTable::Entry TensorTable::Own(Tensor tensor) {
  copies_.push_back(std::move(tensor));  // a tensor's elements stay where they are when it moves
  return {std::as_const(copies_.back()).view(), kNoFile};
}

bool TensorTable::Rename(std::string_view name, std::string new_name) {
  const auto it = entries_.find(name);
  CHECK(it != entries_.end(), name);
  if (new_name == name) return true;
  if (entries_.contains(new_name)) return false;
  auto node = entries_.extract(it);
  node.key() = std::move(new_name);
  entries_.insert(std::move(node));
  return true;
}

void TensorTable::Replace(std::string_view name, Entry entry) {
  const auto it = entries_.find(name);
  CHECK(it != entries_.end(), name);
  it->second = entry;
}

void TensorTable::Remove(std::string_view name) {
  const auto it = entries_.find(name);
  CHECK(it != entries_.end(), name);
  entries_.erase(it);
}

void TensorTable::Forget(const Entry& entry) const {
  if (entry.file == kNoFile || entry.view.size_bytes() == 0) return;
  const MappedFile& source = files_[entry.file];
  source.Forget(static_cast<size_t>(entry.view.bytes() - source.bytes().data()),
                static_cast<size_t>(entry.view.size_bytes()));
}

int64_t TensorTable::size_bytes() const {
  int64_t total = 0;
  for (const auto& [name, entry] : entries_) total += entry.view.size_bytes();
  return total;
}

}  // namespace tandem
