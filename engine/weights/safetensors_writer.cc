#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "engine/base/atomic_file.h"
#include "engine/weights/safetensors.h"
#include "engine/weights/safetensors_header.h"
#include "kernels/core/check.h"

namespace tandem {
namespace {

// Data starts at a multiple of this: a cache line and the widest vector.
constexpr size_t kDataAlignment = 64;

std::vector<const NamedTensor*> InFileOrder(std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> order;
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : tensors) {
    CHECK(tensor.view.device() == kCpuDevice, tensor.name);
    CHECK(tensor.name != "__metadata__" && names.insert(tensor.name).second, tensor.name);
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return SizeOf(a->view.dtype()) > SizeOf(b->view.dtype());
  });
  return order;
}

std::string HeaderText(std::span<const NamedTensor* const> order,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const NamedTensor* tensor : order) {
    const ConstTensorView& view = tensor->view;
    std::vector<int64_t> dims;
    for (int axis = 0; axis < view.shape().rank(); ++axis) dims.push_back(view.dim(axis));
    header[tensor->name] = {{"dtype", SafetensorsName(view.dtype())},
                            {"shape", dims},
                            {"data_offsets", {offset, offset + view.size_bytes()}}};
    offset += view.size_bytes();
  }
  std::string text = header.dump();
  while ((8 + text.size()) % kDataAlignment != 0) text += ' ';
  return text;
}

}  // namespace

void WriteSafetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::vector<const NamedTensor*> order = InFileOrder(tensors);
  const std::string header = HeaderText(order, metadata);
  std::string length(8, '\0');
  for (size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  }
  AtomicFile file(path);
  file.Write(length);
  file.Write(header);
  for (const NamedTensor* tensor : order) {
    file.Write({tensor->view.bytes(), static_cast<size_t>(tensor->view.size_bytes())});
  }
  file.Commit();
}

}  // namespace tandem
