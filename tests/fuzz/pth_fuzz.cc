// Checkpoints of PyTorch: whole files, and pickles inside of a file that is otherwise well-formed.
// Every element of a tensor lies inside the file, and what is written from the tensors reads back.

#include <span>
#include <string>
#include <vector>

#include "engine/weights/pickle.h"
#include "engine/weights/pth.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"
#include "tests/support/stored_zip.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

void CheckInside(const PthTensor& tensor, size_t file_bytes) {
  CHECK(tensor.offset <= file_bytes, tensor.name);
  if (tensor.shape.num_elements() == 0) return;
  int64_t last = 0;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
    const int64_t stride = tensor.strides[static_cast<size_t>(axis)];
    int64_t reach = 0;
    CHECK(stride >= 0, tensor.name);
    CHECK(!__builtin_mul_overflow(tensor.shape[axis] - 1, stride, &reach), tensor.name);
    CHECK(!__builtin_add_overflow(last, reach, &last), tensor.name);
  }
  int64_t end = 0;
  CHECK(!__builtin_mul_overflow(last + 1, SizeOf(tensor.dtype), &end), tensor.name);
  CHECK(static_cast<uint64_t>(end) <= file_bytes - tensor.offset, tensor.name);
}

void CheckRoundTrip(const TensorTable& table) {
  static const TemporaryDirectory directory;
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : table.entries()) tensors.push_back({name, entry.view});
  const auto path = directory / "written.pth";
  WritePth(path, tensors);
  const PthFile read = ReadPth(path);
  CHECK(read.tensors.entries().size() == tensors.size() && read.other_keys.empty());
  for (const auto& [name, entry] : table.entries()) {
    const auto* again = read.tensors.Find(name);
    CHECK(again != nullptr, name);
    CHECK(again->view.dtype() == entry.view.dtype() && again->view.shape() == entry.view.shape());
    const auto bytes = [](const ConstTensorView& view) {
      return std::string_view(reinterpret_cast<const char*>(view.bytes()),
                              static_cast<size_t>(view.size_bytes()));
    };
    CHECK(bytes(again->view) == bytes(entry.view), name);
  }
}

void Examine(const std::string& file) {
  try {
    const PthContents contents = ParsePth(BytesOf(file), "fuzz");
    for (const PthTensor& tensor : contents.tensors) CheckInside(tensor, file.size());
    const MemoryFile memory(file);
    CheckRoundTrip(ReadPth(memory.path()).tensors);
  } catch (const FormatError&) {
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string input(reinterpret_cast<const char*>(data), size);
  Examine(input);
  Examine(StoredZip{.members = {{"a/data.pkl", input},
                                {"a/data/0", std::string(24, '\1')},
                                {"a/data/1", std::string(16, '\2')}}}
              .Bytes());
  return 0;
}
