#pragma once
// A ZIP file of stored members, for tests of those who read one: also of members that no writer of
// ours would write.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tandem {

struct StoredZip {
  std::vector<std::pair<std::string, std::string>> members;  // name, content
  uint16_t flags = 0;
  uint16_t method = 0;
  bool zip64 = false;  // the directory stands in ZIP64 records, whose fields are marked as full

  std::string Bytes() const {
    std::string file;
    std::string directory;
    for (const auto& [name, content] : members) {
      const size_t offset = file.size();
      const std::string common = Number(20, 2) + Number(flags, 2) + Number(method, 2) +
                                 Number(0, 4) + Number(0, 4);  // without time and sum
      const std::string sizes = Number(content.size(), 4) + Number(content.size(), 4);
      file += "PK\3\4" + common + sizes + Number(name.size(), 2) + Number(0, 2) + name + content;
      const std::string wide = Number(1, 2) + Number(24, 2) + Number(content.size(), 8) +
                               Number(content.size(), 8) + Number(offset, 8);
      directory += "PK\1\2" + Number(20, 2) + common;
      directory += (zip64 ? std::string(8, '\xff') : sizes) + Number(name.size(), 2);
      directory += Number(zip64 ? wide.size() : 0, 2) + Number(0, 10);
      directory += (zip64 ? std::string(4, '\xff') : Number(offset, 4)) + name;
      if (zip64) directory += wide;
    }
    const size_t begin = file.size();
    file += directory;
    if (zip64) {
      const size_t end = file.size();
      file += "PK\6\6" + Number(44, 8) + Number(45, 2) + Number(45, 2) + Number(0, 8);
      file += Number(members.size(), 8) + Number(members.size(), 8);
      file += Number(directory.size(), 8) + Number(begin, 8);
      file += "PK\6\7" + Number(0, 4) + Number(end, 8) + Number(1, 4);
      return file + "PK\5\6" + Number(0, 4) + std::string(12, '\xff') + Number(0, 2);
    }
    file += "PK\5\6" + Number(0, 4) + Number(members.size(), 2) + Number(members.size(), 2);
    return file + Number(directory.size(), 4) + Number(begin, 4) + Number(0, 2);
  }

 private:
  static std::string Number(uint64_t value, int num_bytes) {
    std::string bytes;
    for (int i = 0; i < num_bytes; ++i) bytes += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
    return bytes;
  }
};

}  // namespace tandem
