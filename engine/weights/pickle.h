#pragma once
// Reads a pickle as torch.save writes it, without Python: numbers, strings, lists, tuples, dicts
// and tensors, and nothing that could run. Whatever else a pickle asks for is refused by its name.
// A pure function of the bytes; nothing recurses, so values may contain themselves.
// https://docs.python.org/3/library/pickletools.html, torch/_weights_only_unpickler.py

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/core/dtype.h"

namespace tandem {

inline constexpr size_t kMaxPickleBytes = size_t{64} << 20;
inline constexpr size_t kMaxPickleValues = 4'000'000;
inline constexpr size_t kMaxPickleDepth = 256;  // of what is open at once

using PickleRef = uint32_t;  // index into Pickle::values

struct PickleTuple {
  std::vector<PickleRef> items;
};
struct PickleList {
  std::vector<PickleRef> items;
};
struct PickleDict {
  std::vector<std::pair<PickleRef, PickleRef>> items;  // in the order of the file
};

// What a checkpoint may call or name.
enum class PickleGlobal : uint8_t {
  kOrderedDict,       // collections.OrderedDict
  kRebuildTensor,     // torch._utils._rebuild_tensor_v2
  kRebuildParameter,  // torch._utils._rebuild_parameter
};

// torch.FloatStorage and its like.
struct PickleElement {
  std::string_view name;       // "FloatStorage"
  int64_t size_bytes = 0;      // of one element
  std::optional<DType> dtype;  // none: we have no such tensors
};

struct PickleStorage {
  PickleElement element;
  PickleRef key = 0;  // a string: the member "data/<key>" of the file
  int64_t num_elements = 0;
};

// Nothing here was checked against the storage. By reference, as many tensors may share a tuple.
struct PickleTensor {
  PickleRef storage = 0;
  int64_t offset = 0;     // in elements, as are the strides
  PickleRef sizes = 0;    // a tuple
  PickleRef strides = 0;  // a tuple
};

struct PickleNone {};
using PickleValue =
    std::variant<PickleNone, bool, int64_t, double, std::string, PickleTuple, PickleList,
                 PickleDict, PickleGlobal, PickleElement, PickleStorage, PickleTensor>;

struct Pickle {
  std::vector<PickleValue> values;
  PickleRef root = 0;

  // Null when it is something else.
  template <typename T>
  const T* Find(PickleRef ref) const {
    return std::get_if<T>(&values[ref]);
  }
};

// Throws FormatError, naming `where` and the byte.
Pickle ReadPickle(std::span<const std::byte> bytes, const std::string& where);

}  // namespace tandem
