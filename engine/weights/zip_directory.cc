#include "engine/weights/zip_directory.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/printable.h"
#include "engine/weights/byte_reader.h"

namespace tandem {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kZip64End = 0x06064b50;
constexpr uint32_t kZip64Locator = 0x07064b50;
constexpr size_t kEndBytes = 22;
constexpr size_t kZip64LocatorBytes = 20;
constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kMaxCommentBytes = 0xffff;
constexpr uint16_t kZip64Field = 1;
constexpr uint16_t kEncrypted = 1;
constexpr uint32_t kIn64 = 0xffffffff;  // "see the ZIP64 field"

struct Directory {
  uint64_t num_members = 0;
  uint64_t size_bytes = 0;
  uint64_t offset = 0;
  size_t end = 0;  // where the records behind it begin
};

struct Header {
  std::string name;
  uint64_t compressed_bytes = 0;
  uint64_t size_bytes = 0;
  uint64_t local_header = 0;
};

// A member with its local header: bytes [begin, end).
struct Extent {
  size_t begin;
  size_t end;
};

class ZipReader {
 public:
  ZipReader(std::span<const std::byte> file, const std::string& where)
      : file_(file), where_(where), reader_(file, where) {}

  std::map<std::string, ZipMember, std::less<>> Read() {
    const Directory directory = ReadEnd(FindEnd());
    if (directory.num_members > kMaxZipMembers) {
      reader_.Fail("has " + std::to_string(directory.num_members) + " members; at most " +
                   std::to_string(kMaxZipMembers) + " are read");
    }
    if (directory.offset > directory.end ||
        directory.size_bytes != directory.end - directory.offset) {
      reader_.Fail("has its directory in the wrong place");
    }
    std::map<std::string, ZipMember, std::less<>> members;
    reader_.Seek(directory.offset);
    for (uint64_t i = 0; i < directory.num_members; ++i) {
      Header header = ReadCentralHeader();
      if (reader_.position() > directory.end) reader_.Fail("has a directory that is too long");
      const ZipMember member = Locate(header, directory.offset);
      if (!members.emplace(header.name, member).second) {
        reader_.Fail("has member " + Quoted(header.name, 200) + " twice");
      }
    }
    if (reader_.position() != directory.end) reader_.Fail("has a directory that is too short");
    CheckOverlaps();
    return members;
  }

 private:
  // The record at the end of the file, which may be followed by a comment.
  size_t FindEnd() {
    if (file_.size() >= kEndBytes) {
      const size_t last = file_.size() - kEndBytes;
      const size_t first = last - std::min(last, kMaxCommentBytes);
      for (size_t at = last + 1; at-- > first;) {
        reader_.Seek(at);
        if (reader_.Read<uint32_t>() != kEnd) continue;
        reader_.Seek(at + kEndBytes - 2);
        if (reader_.Read<uint16_t>() == last - at) return at;
      }
    }
    throw FormatError(where_ +
                      ": is not a ZIP file, as torch.save has written since PyTorch 1.6; load an "
                      "older file in PyTorch and save it again");
  }

  Directory ReadEnd(size_t end) {
    reader_.Seek(end + 4);
    const auto disk = reader_.Read<uint16_t>();
    const auto first_disk = reader_.Read<uint16_t>();
    const auto here = reader_.Read<uint16_t>();
    Directory directory{.num_members = reader_.Read<uint16_t>(), .end = end};
    directory.size_bytes = reader_.Read<uint32_t>();
    directory.offset = reader_.Read<uint32_t>();
    const bool in_64 = directory.num_members == 0xffff || directory.size_bytes == kIn64 ||
                       directory.offset == kIn64;
    if (end >= kZip64LocatorBytes) {
      reader_.Seek(end - kZip64LocatorBytes);
      if (reader_.Read<uint32_t>() == kZip64Locator) return ReadZip64End(end - kZip64LocatorBytes);
    }
    if (in_64) reader_.Fail("lacks its ZIP64 record");
    if (disk != first_disk || here != directory.num_members) reader_.Fail("spans several files");
    return directory;
  }

  Directory ReadZip64End(size_t locator) {
    reader_.Seek(locator + 8);
    const auto at = reader_.Read<uint64_t>();
    if (at > locator) reader_.Fail("has its ZIP64 record in the wrong place");
    reader_.Seek(at);
    if (reader_.Read<uint32_t>() != kZip64End) reader_.Fail("lacks its ZIP64 record");
    reader_.Take(8 + 2 + 2 + 4 + 4);  // its size, versions, disks
    const auto here = reader_.Read<uint64_t>();
    Directory directory{.num_members = reader_.Read<uint64_t>(), .end = static_cast<size_t>(at)};
    directory.size_bytes = reader_.Read<uint64_t>();
    directory.offset = reader_.Read<uint64_t>();
    if (here != directory.num_members) reader_.Fail("spans several files");
    return directory;
  }

  Header ReadCentralHeader() {
    if (reader_.Read<uint32_t>() != kCentralHeader) reader_.Fail("has a broken directory");
    reader_.Take(4);  // versions
    const auto flags = reader_.Read<uint16_t>();
    const auto method = reader_.Read<uint16_t>();
    reader_.Take(8);  // time, date, sum
    Header header;
    header.compressed_bytes = reader_.Read<uint32_t>();
    header.size_bytes = reader_.Read<uint32_t>();
    const auto name_bytes = reader_.Read<uint16_t>();
    const auto extra_bytes = reader_.Read<uint16_t>();
    const auto comment_bytes = reader_.Read<uint16_t>();
    reader_.Take(8);  // disk, attributes
    header.local_header = reader_.Read<uint32_t>();
    header.name = reader_.Take(name_bytes);
    const size_t extra_end = reader_.position() + extra_bytes;
    while (reader_.position() + 4 <= extra_end) ReadExtraField(extra_end, &header);
    reader_.Seek(extra_end);
    reader_.Take(comment_bytes);
    const std::string name = Quoted(header.name, 200);
    if ((flags & kEncrypted) != 0) reader_.Fail("member " + name + " is encrypted");
    if (method != 0 || header.compressed_bytes != header.size_bytes) {
      reader_.Fail("member " + name + " is compressed, which torch.save does not do");
    }
    return header;
  }

  void ReadExtraField(size_t extra_end, Header* header) {
    const auto id = reader_.Read<uint16_t>();
    const auto size = reader_.Read<uint16_t>();
    const size_t end = reader_.position() + size;
    if (end > extra_end) reader_.Fail("has a broken directory");
    if (id == kZip64Field) {
      for (uint64_t* value :
           {&header->size_bytes, &header->compressed_bytes, &header->local_header}) {
        if (*value != kIn64) continue;
        if (reader_.position() + 8 > end) reader_.Fail("has a broken ZIP64 field");
        *value = reader_.Read<uint64_t>();
      }
    }
    reader_.Seek(end);
  }

  // Finds the data behind the local header, whose own sizes and sum may be zero.
  ZipMember Locate(const Header& header, uint64_t directory) {
    const size_t resume = reader_.position();
    const std::string name = Quoted(header.name, 200);
    if (header.local_header > directory || directory - header.local_header < kLocalHeaderBytes) {
      reader_.Fail("member " + name + " lies outside of the file");
    }
    reader_.Seek(header.local_header);
    const bool is_header = reader_.Read<uint32_t>() == kLocalHeader;
    reader_.Seek(header.local_header + kLocalHeaderBytes - 4);
    const auto name_bytes = reader_.Read<uint16_t>();
    const auto extra_bytes = reader_.Read<uint16_t>();
    if (!is_header || reader_.Take(name_bytes) != header.name) {
      reader_.Fail("member " + name + " is not where the directory says");
    }
    reader_.Take(extra_bytes);
    const size_t offset = reader_.position();
    if (offset > directory || header.size_bytes > directory - offset) {
      reader_.Fail("member " + name + " lies outside of the file");
    }
    const auto size_bytes = static_cast<size_t>(header.size_bytes);
    extents_.push_back({static_cast<size_t>(header.local_header), offset + size_bytes});
    reader_.Seek(resume);
    return {.offset = offset, .size_bytes = size_bytes};
  }

  void CheckOverlaps() {
    std::ranges::sort(extents_, {}, &Extent::begin);
    for (size_t i = 1; i < extents_.size(); ++i) {
      if (extents_[i].begin < extents_[i - 1].end) reader_.Fail("has members that overlap");
    }
  }

  std::span<const std::byte> file_;
  const std::string& where_;
  ByteReader reader_;
  std::vector<Extent> extents_;
};

}  // namespace

std::map<std::string, ZipMember, std::less<>> ReadZipDirectory(std::span<const std::byte> file,
                                                               const std::string& where) {
  return ZipReader(file, where).Read();
}

}  // namespace tandem
