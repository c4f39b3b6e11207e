#pragma once
// The members of a ZIP file whose data is stored, not compressed, as PyTorch writes its
// checkpoints. A pure function of the bytes. Sums (CRC-32) are not checked: that would read the
// whole file. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace tandem {

struct ZipMember {
  size_t offset = 0;  // of its data in the file; offset + size_bytes is inside of it
  size_t size_bytes = 0;
};

inline constexpr size_t kMaxZipMembers = 500'000;

// By name. ZIP64 is read; several disks, encryption and compression are not. Throws FormatError,
// naming `where`, when anything is not as it should be: members neither overlap each other nor the
// directory, names differ, and each local header says the same name as the directory.
std::map<std::string, ZipMember, std::less<>> ReadZipDirectory(std::span<const std::byte> file,
                                                               const std::string& where);

}  // namespace tandem
