#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <map>
#include <set>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "engine/weights/pth.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr uint64_t kMaxFileBytes = 0xffffffff;  // beyond, ZIP64 begins
constexpr size_t kMaxMembers = 0xfffe;
constexpr size_t kAlignment = 64;  // of a member's data, as PyTorch's own
constexpr std::string_view kFolder = "archive/";

void AppendNumber(uint64_t value, int num_bytes, std::string* out) {
  for (int i = 0; i < num_bytes; ++i, value >>= 8) *out += static_cast<char>(value & 0xff);
}

// CRC-32 as ZIP has it: polynomial 0xEDB88320, four bytes at a time.
uint32_t Crc32(std::string_view bytes) {
  static const auto tables = [] {
    std::array<std::array<uint32_t, 256>, 4> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
      made[0][i] = value;
    }
    for (size_t t = 1; t < made.size(); ++t) {
      for (size_t i = 0; i < 256; ++i) {
        made[t][i] = made[t - 1][i] >> 8 ^ made[0][made[t - 1][i] & 0xff];
      }
    }
    return made;
  }();
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  uint32_t crc = 0xffffffff;
  size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    crc ^= uint32_t{data[i]} | uint32_t{data[i + 1]} << 8 | uint32_t{data[i + 2]} << 16 |
           uint32_t{data[i + 3]} << 24;
    crc = tables[3][crc & 0xff] ^ tables[2][crc >> 8 & 0xff] ^ tables[1][crc >> 16 & 0xff] ^
          tables[0][crc >> 24];
  }
  for (; i < bytes.size(); ++i) crc = crc >> 8 ^ tables[0][(crc ^ data[i]) & 0xff];
  return ~crc;
}

// Members one after another, each stored and aligned, then the directory.
class ZipWriter {
 public:
  explicit ZipWriter(const std::filesystem::path& path) : path_(path), file_(path) {}

  void Add(const std::string& member, std::string_view content) {
    const std::string name = std::string(kFolder) + member;
    const size_t unpadded = size_ + 30 + name.size() + 4;
    const size_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
    CHECK(num_members_ < kMaxMembers, num_members_);
    if (content.size() > kMaxFileBytes || size_ + content.size() > kMaxFileBytes - (1 << 20)) {
      throw ConfigError(Printable(path_.string()) +
                        ": would pass 4 GiB, where .pth files end here; write safetensors instead");
    }
    std::string fields;                // what local header and directory have in common
    AppendNumber(0x0014, 2, &fields);  // version 2.0
    AppendNumber(0x0800, 2, &fields);  // names are UTF-8
    AppendNumber(0, 2, &fields);       // stored
    AppendNumber(0, 2, &fields);       // midnight
    AppendNumber(0x21, 2, &fields);    // of 1 January 1980
    AppendNumber(Crc32(content), 4, &fields);
    AppendNumber(content.size(), 4, &fields);
    AppendNumber(content.size(), 4, &fields);
    AppendNumber(name.size(), 2, &fields);
    std::string header;
    AppendNumber(0x04034b50, 4, &header);
    header += fields;
    AppendNumber(4 + padding, 2, &header);
    header += name;
    header += "FB";  // an extra field that only pads
    AppendNumber(padding, 2, &header);
    header.append(padding, 'Z');
    AppendNumber(0x02014b50, 4, &directory_);
    AppendNumber(0x0014, 2, &directory_);
    directory_ += fields;
    AppendNumber(0, 12, &directory_);  // no extra field, comment, disk or attributes
    AppendNumber(size_, 4, &directory_);
    directory_ += name;
    ++num_members_;
    Write(header);
    Write(content);
  }

  void Finish() {
    const size_t directory = size_;
    Write(directory_);
    std::string end;
    AppendNumber(0x06054b50, 4, &end);
    AppendNumber(0, 4, &end);  // disks
    AppendNumber(num_members_, 2, &end);
    AppendNumber(num_members_, 2, &end);
    AppendNumber(directory_.size(), 4, &end);
    AppendNumber(directory, 4, &end);
    AppendNumber(0, 2, &end);  // comment
    Write(end);
    file_.Commit();
  }

 private:
  void Write(std::string_view bytes) {
    file_.Write(bytes);
    size_ += bytes.size();
  }

  std::filesystem::path path_;
  AtomicFile file_;
  size_t size_ = 0;
  size_t num_members_ = 0;
  std::string directory_;
};

std::string_view StorageName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "FloatStorage";
    case DType::kBf16:
      return "BFloat16Storage";
    case DType::kF16:
      return "HalfStorage";
    case DType::kI8:
      return "CharStorage";
    case DType::kU8:
      return "ByteStorage";
    case DType::kI32:
      return "IntStorage";
    case DType::kI64:
      return "LongStorage";
  }
  return "";
}

// The instructions of pickle protocol 2, without a memo.
class PickleWriter {
 public:
  PickleWriter() {
    text_ +=
        "\x80\x02"
        "ccollections\nOrderedDict\n)R(";
  }

  void AddTensor(const std::string& name, const ConstTensorView& view, const std::string& key,
                 int64_t storage_elements) {
    Text(name);
    text_ += "ctorch._utils\n_rebuild_tensor_v2\n((";
    Text("storage");
    text_ += "ctorch\n" + std::string(StorageName(view.dtype())) + "\n";
    Text(key);
    Text("cpu");
    Integer(storage_elements);
    text_ += "tQ";
    Integer(0);
    Integers(view, [&](int axis) { return view.dim(axis); });
    Integers(view, [&](int axis) {
      int64_t stride = 1;
      for (int inner = axis + 1; inner < view.shape().rank(); ++inner) stride *= view.dim(inner);
      return stride;
    });
    text_ +=
        "\x89"
        "ccollections\nOrderedDict\n)RtR";  // no gradient, no hooks
  }

  std::string Finish() { return text_ + "u."; }

 private:
  void Text(std::string_view text) {
    text_ += 'X';
    AppendNumber(text.size(), 4, &text_);
    text_ += text;
  }

  void Integer(int64_t value) {
    if (value <= INT32_MAX) {
      text_ += 'J';
      AppendNumber(static_cast<uint64_t>(value), 4, &text_);
    } else {
      text_ += "\x8a\x08";
      AppendNumber(static_cast<uint64_t>(value), 8, &text_);
    }
  }

  template <typename ValueOf>
  void Integers(const ConstTensorView& view, ValueOf value_of) {
    text_ += '(';
    for (int axis = 0; axis < view.shape().rank(); ++axis) Integer(value_of(axis));
    text_ += 't';
  }

  std::string text_;
};

std::string_view BytesOf(const ConstTensorView& view) {
  return {reinterpret_cast<const char*>(view.bytes()), static_cast<size_t>(view.size_bytes())};
}

}  // namespace

void WritePth(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  // By first byte and dtype: tensors that are views of the same memory.
  std::map<std::pair<const std::byte*, DType>, size_t> storage_of;
  std::vector<const ConstTensorView*> storages;
  std::vector<size_t> storage_index;
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : tensors) {
    CHECK(tensor.view.device() == kCpuDevice, tensor.name);
    CHECK(names.insert(tensor.name).second, tensor.name);
    const auto [it, is_new] =
        storage_of.emplace(std::pair(tensor.view.bytes(), tensor.view.dtype()), storages.size());
    const bool own = is_new || tensor.view.size_bytes() != storages[it->second]->size_bytes();
    storage_index.push_back(own ? storages.size() : it->second);
    if (own) storages.push_back(&tensor.view);
  }
  PickleWriter pickle;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const size_t index = storage_index[i];
    pickle.AddTensor(tensors[i].name, tensors[i].view, std::to_string(index),
                     storages[index]->num_elements());
  }
  ZipWriter zip(path);
  zip.Add("data.pkl", pickle.Finish());
  zip.Add("byteorder", "little");
  for (size_t i = 0; i < storages.size(); ++i) {
    zip.Add("data/" + std::to_string(i), BytesOf(*storages[i]));
  }
  zip.Add("version", "3\n");
  zip.Finish();
}

}  // namespace tandem
