#include "engine/weights/tensor_table.h"

#include <utility>

namespace tandem {

TensorTable::Entry TensorTable::Own(Tensor tensor) {
  copies_.push_back(std::move(tensor));  // a tensor's elements stay where they are when it moves
  return {std::as_const(copies_.back()).view(), kNoFile};
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
