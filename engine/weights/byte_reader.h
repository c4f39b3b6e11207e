#pragma once
// Reads little-endian fields from bytes that nobody vouches for: whoever reads past the end gets a
// FormatError. Borrows the bytes and the name.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "kernels/core/error.h"

namespace tandem {

static_assert(std::endian::native == std::endian::little);

class ByteReader {
 public:
  // `where` stands at the front of messages.
  ByteReader(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where) {}

  size_t position() const { return position_; }
  size_t num_left() const { return bytes_.size() - position_; }

  void Seek(size_t position) {
    if (position > bytes_.size()) Fail("is cut off");
    position_ = position;
  }

  std::string_view Take(size_t size) {
    if (size > num_left()) Fail("is cut off");
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, size);
    position_ += size;
    return text;
  }

  // What comes before the next newline, which is skipped.
  std::string_view TakeLine() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_,
                                num_left());
    const size_t size = rest.find('\n');
    if (size == std::string_view::npos) Fail("is cut off");
    position_ += size + 1;
    return rest.substr(0, size);
  }

  template <std::integral T>
  T Read() {
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  [[noreturn]] void Fail(const std::string& what) const {
    throw FormatError(where_ + ": " + what + " (byte " + std::to_string(position_) + ")");
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& where_;
  size_t position_ = 0;
};

}  // namespace tandem
