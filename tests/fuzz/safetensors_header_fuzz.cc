// The head of a safetensors file: every tensor lies inside the file, together they are the data,
// and what is written from them reads back as the same tensors.

#include <span>
#include <string>
#include <vector>

#include "engine/weights/safetensors.h"
#include "engine/weights/safetensors_header.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

void CheckEntries(const SafetensorsHeader& header, size_t file_bytes) {
  size_t end = file_bytes;
  for (size_t i = header.entries.size(); i-- > 0;) {
    const SafetensorsEntry& entry = header.entries[i];
    CHECK(entry.offset <= file_bytes && entry.size_bytes <= file_bytes - entry.offset, entry.name);
    CHECK(entry.offset + entry.size_bytes == end, entry.name, "overlaps or leaves a gap");
    end = entry.offset;
    int64_t num_elements = 1;
    for (int axis = 0; axis < entry.shape.rank(); ++axis) {
      CHECK(entry.shape[axis] >= 0);
      CHECK(!__builtin_mul_overflow(num_elements, entry.shape[axis], &num_elements), entry.name);
    }
    int64_t num_bytes = 0;
    CHECK(!__builtin_mul_overflow(num_elements, SizeOf(entry.dtype), &num_bytes), entry.name);
    CHECK(static_cast<uint64_t>(num_bytes) == entry.size_bytes, entry.name);
  }
}

void CheckRoundTrip(const SafetensorsHeader& header, std::span<const std::byte> file) {
  static const TemporaryDirectory directory;
  std::vector<NamedTensor> tensors;
  for (const SafetensorsEntry& entry : header.entries) {
    // The writer only copies bytes, so that a tensor need not be aligned here.
    tensors.push_back(
        {entry.name, ConstTensorView(file.data() + entry.offset, entry.dtype, entry.shape)});
  }
  const auto path = directory / "written.safetensors";
  WriteSafetensors(path, tensors, header.metadata);
  const TensorTable table = ReadSafetensorsFile(path);
  CHECK(table.entries().size() == tensors.size());
  CHECK(table.metadata() == header.metadata);
  for (const NamedTensor& tensor : tensors) {
    const TensorTable::Entry* entry = table.Find(tensor.name);
    CHECK(entry != nullptr, tensor.name);
    CHECK(entry->view.dtype() == tensor.view.dtype() && entry->view.shape() == tensor.view.shape());
    const auto bytes = [](const ConstTensorView& view) {
      return std::string_view(reinterpret_cast<const char*>(view.bytes()),
                              static_cast<size_t>(view.size_bytes()));
    };
    CHECK(bytes(entry->view) == bytes(tensor.view), tensor.name);
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  SafetensorsHeader header;
  try {
    header = ParseSafetensorsHeader(file, "fuzz");
  } catch (const FormatError&) {
    return 0;
  }
  CheckEntries(header, size);
  CheckRoundTrip(header, file);
  return 0;
}
