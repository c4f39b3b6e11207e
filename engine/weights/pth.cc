#include "engine/weights/pth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "engine/base/printable.h"
#include "engine/weights/pickle.h"
#include "engine/weights/zip_directory.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr std::string_view kPickleMember = "/data.pkl";
constexpr size_t kMaxNameBytes = 1000;

// Non-contiguous tensors are copied. Of tensors that share storages these copies can be larger than
// the file, which none that a trainer wrote comes near.
constexpr size_t kMaxCopies = 2;  // times the file's size

class PthParser {
 public:
  PthParser(std::span<const std::byte> file, const std::string& where)
      : file_(file), where_(where), members_(ReadZipDirectory(file, where)) {
    FindPrefix();
    CheckByteOrder();
    const ZipMember& member = *FindMember(std::string(kPickleMember.substr(1)));
    pickle_ = ReadPickle(file.subspan(member.offset, member.size_bytes), where + " (data.pkl)");
  }

  PthContents Parse() {
    const auto* root = pickle_.Find<PickleDict>(pickle_.root);
    if (root == nullptr) Fail("holds no dict of tensors");
    const PickleDict* model = root;
    for (const auto& [key, value] : root->items) {
      const auto* name = pickle_.Find<std::string>(key);
      if (name == nullptr || *name != "model") continue;
      if (const auto* dict = pickle_.Find<PickleDict>(value)) model = dict;
    }
    for (const auto& [key, value] : model->items) AddEntry(key, value);
    if (model != root) {
      names_.clear();
      for (const auto& [key, value] : root->items) {
        const std::string& name = CheckedName(key);
        if (name != "model") contents_.other_keys.push_back(name);
      }
    }
    if (contents_.tensors.empty()) Fail("holds no tensor" + OtherKeys());
    return std::move(contents_);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw FormatError(where_ + ": " + what); }

  std::string OtherKeys() const {
    std::string text;
    for (const std::string& key : contents_.other_keys) {
      text += (text.empty() ? ", only " : ", ") + Quoted(key, 100);
      if (text.size() > 1000) break;
    }
    return text;
  }

  // The members lie in a folder that is named after the file.
  void FindPrefix() {
    for (const auto& [name, member] : members_) {
      if (!name.ends_with(kPickleMember)) continue;
      prefix_ = name.substr(0, name.size() - kPickleMember.size() + 1);
      if (prefix_.find('/') == prefix_.size() - 1) return;
    }
    Fail("has no data.pkl, so it is no checkpoint of torch.save");
  }

  const ZipMember* FindMember(const std::string& name) const {
    const auto it = members_.find(prefix_ + name);
    return it == members_.end() ? nullptr : &it->second;
  }

  void CheckByteOrder() const {
    const ZipMember* member = FindMember("byteorder");
    if (member == nullptr) return;
    const std::string_view text(reinterpret_cast<const char*>(file_.data()) + member->offset,
                                member->size_bytes);
    if (text != "little") Fail("has the byte order " + Quoted(text, 20) + "; little is read");
  }

  // Of an entry of a dict. Names differ and are short: a small file may refer to one many times.
  const std::string& CheckedName(PickleRef key) {
    const auto* name = pickle_.Find<std::string>(key);
    if (name == nullptr) Fail("has an entry whose name is not a string");
    if (name->size() > kMaxNameBytes) {
      Fail(fmt::format("has an entry with a name of {} bytes; at most {} are read", name->size(),
                       kMaxNameBytes));
    }
    if (!names_.insert(*name).second) Fail("has " + Quoted(*name, 200) + " twice");
    return *name;
  }

  void AddEntry(PickleRef key, PickleRef value) {
    const std::string& name = CheckedName(key);
    if (const auto* tensor = pickle_.Find<PickleTensor>(value)) {
      contents_.tensors.push_back(Checked(*tensor, name));
    } else {
      contents_.other_keys.push_back(name);
    }
  }

  PthTensor Checked(const PickleTensor& tensor, const std::string& name) const {
    const std::string what = "tensor " + Quoted(name, 200);
    const auto& storage = *pickle_.Find<PickleStorage>(tensor.storage);
    if (!storage.element.dtype) {
      Fail(what + " is of " + std::string(storage.element.name) + ", which is not read");
    }
    const auto& key = *pickle_.Find<std::string>(storage.key);
    const ZipMember* member = FindMember("data/" + key);
    if (member == nullptr) {
      Fail(what + " is in data/" + Printable(key, 100) + ", which is not there");
    }
    int64_t storage_bytes = 0;
    if (storage.num_elements < 0 ||
        __builtin_mul_overflow(storage.num_elements, storage.element.size_bytes, &storage_bytes) ||
        static_cast<uint64_t>(storage_bytes) != member->size_bytes) {
      Fail(fmt::format("{} is in a storage of {} elements of {} bytes, but data/{} has {} bytes",
                       what, storage.num_elements, storage.element.size_bytes, Printable(key, 100),
                       member->size_bytes));
    }
    const std::vector<int64_t> sizes = Integers(tensor.sizes, what);
    const std::vector<int64_t> strides = Integers(tensor.strides, what);
    if (sizes.size() != strides.size()) Fail(what + " has not one stride a dimension");
    CheckInside(sizes, strides, tensor.offset, storage.num_elements, what);
    PthTensor checked{
        .name = name,
        .dtype = *storage.element.dtype,
        .shape = Shape(sizes),
        .offset = member->offset + static_cast<size_t>(tensor.offset * storage.element.size_bytes)};
    std::ranges::copy(strides, checked.strides.begin());
    return checked;
  }

  std::vector<int64_t> Integers(PickleRef tuple, const std::string& what) const {
    const auto& items = pickle_.Find<PickleTuple>(tuple)->items;
    if (items.size() > Shape::kMaxRank) {
      Fail(fmt::format("{} has {} dimensions; at most {} are read", what, items.size(),
                       Shape::kMaxRank));
    }
    std::vector<int64_t> integers;
    for (const PickleRef item : items) {
      const auto* value = pickle_.Find<int64_t>(item);
      if (value == nullptr || *value < 0) {
        Fail(what + " has a dimension or a stride that is no integer from 0 on");
      }
      integers.push_back(*value);
    }
    return integers;
  }

  // That all elements lie in the storage, and are no more than it has.
  void CheckInside(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides,
                   int64_t offset, int64_t num_stored, const std::string& what) const {
    int64_t num_elements = 1;
    int64_t last = offset;
    bool overflows = offset < 0;
    for (size_t axis = 0; axis < sizes.size(); ++axis) {
      int64_t reach = 0;
      overflows |= __builtin_mul_overflow(num_elements, sizes[axis], &num_elements);
      overflows |=
          __builtin_mul_overflow(std::max<int64_t>(sizes[axis] - 1, 0), strides[axis], &reach);
      overflows |= __builtin_add_overflow(last, reach, &last);
    }
    const bool is_outside = num_elements == 0 ? offset > num_stored : last >= num_stored;
    if (overflows || num_elements > num_stored || is_outside) {
      Fail(what + " reaches beyond its storage of " + std::to_string(num_stored) + " elements");
    }
  }

  std::span<const std::byte> file_;
  const std::string& where_;
  std::map<std::string, ZipMember, std::less<>> members_;
  std::string prefix_;  // "archive/"
  Pickle pickle_;
  PthContents contents_;
  std::set<std::string, std::less<>> names_;  // of the dict that is being read
};

// Row-major, whatever the strides are.
Tensor Gather(std::span<const std::byte> file, const PthTensor& tensor) {
  Tensor copy(tensor.dtype, tensor.shape);
  const auto element_bytes = static_cast<size_t>(SizeOf(tensor.dtype));
  std::array<int64_t, Shape::kMaxRank> index{};
  std::byte* out = copy.view().bytes();
  for (int64_t i = 0; i < tensor.shape.num_elements(); ++i) {
    int64_t element = 0;
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
      element += index[static_cast<size_t>(axis)] * tensor.strides[static_cast<size_t>(axis)];
    }
    std::memcpy(out, file.data() + tensor.offset + static_cast<size_t>(element) * element_bytes,
                element_bytes);
    out += element_bytes;
    for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis) {
      if (++index[static_cast<size_t>(axis)] < tensor.shape[axis]) break;
      index[static_cast<size_t>(axis)] = 0;
    }
  }
  return copy;
}

}  // namespace

bool PthTensor::is_contiguous() const {
  if (shape.num_elements() == 0) return true;
  int64_t dense = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] != 1 && strides[static_cast<size_t>(axis)] != dense) return false;
    dense *= shape[axis];
  }
  return true;
}

PthContents ParsePth(std::span<const std::byte> file, const std::string& where) {
  return PthParser(file, where).Parse();
}

PthFile ReadPth(const std::filesystem::path& path) {
  const std::string where = Printable(path.string());
  PthFile read;
  read.tensors.AddFile(MappedFile(path));
  const std::span<const std::byte> file = read.tensors.file(0).bytes();
  PthContents contents = ParsePth(file, where);
  size_t copied_bytes = 0;
  for (PthTensor& tensor : contents.tensors) {
    const auto element_bytes = static_cast<size_t>(SizeOf(tensor.dtype));
    TensorTable::Entry entry{
        ConstTensorView(file.data() + tensor.offset, tensor.dtype, tensor.shape), 0};
    if (!tensor.is_contiguous() || tensor.offset % element_bytes != 0) {
      copied_bytes += static_cast<size_t>(entry.view.size_bytes());
      if (copied_bytes > kMaxCopies * file.size()) {
        throw FormatError(fmt::format(
            "{}: its tensors share storages so that their copies would pass {} times the file",
            where, kMaxCopies));
      }
      entry = read.tensors.Own(Gather(file, tensor));
    }
    read.tensors.Add(std::move(tensor.name), entry);
  }
  read.other_keys = std::move(contents.other_keys);
  return read;
}

}  // namespace tandem
