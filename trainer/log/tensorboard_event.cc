#include "trainer/log/tensorboard_event.h"

#include <bit>

#include "trainer/log/crc32c.h"

namespace tandem {
namespace {

// Field numbers.
constexpr int kEventWallTime = 1;
constexpr int kEventStep = 2;
constexpr int kEventFileVersion = 3;
constexpr int kEventSummary = 5;
constexpr int kEventSessionLog = 7;
constexpr int kSummaryValue = 1;
constexpr int kValueTag = 1;
constexpr int kValueSimpleValue = 2;
constexpr int kSessionLogStatus = 1;
constexpr uint64_t kSessionLogStart = 1;

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

template <typename Unsigned>
void AppendLittleEndian(Unsigned value, std::string& out) {
  for (size_t i = 0; i < sizeof(Unsigned); ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void AppendKey(int field, WireType type, std::string& out) {
  AppendVarint((static_cast<uint64_t>(field) << 3) | static_cast<uint64_t>(type), out);
}

void AppendVarintField(int field, uint64_t value, std::string& out) {
  AppendKey(field, WireType::kVarint, out);
  AppendVarint(value, out);
}

void AppendBytesField(int field, std::string_view bytes, std::string& out) {
  AppendKey(field, WireType::kLengthDelimited, out);
  AppendVarint(bytes.size(), out);
  out += bytes;
}

// Zero is the default of a field, and defaults are not written.
std::string EventAt(WallTime time, int64_t step) {
  std::string event;
  AppendKey(kEventWallTime, WireType::kFixed64, event);
  AppendLittleEndian(std::bit_cast<uint64_t>(time), event);
  if (step != 0) AppendVarintField(kEventStep, static_cast<uint64_t>(step), event);
  return event;
}

// So that the CRC of data that holds CRCs is not a known number.
uint32_t MaskedCrc(std::string_view bytes) {
  return std::rotr(Crc32c(bytes), 15) + uint32_t{0xa282ead8};
}

}  // namespace

std::string FileVersionEvent(WallTime time) {
  std::string event = EventAt(time, 0);
  AppendBytesField(kEventFileVersion, "brain.Event:2", event);
  return event;
}

std::string SessionStartEvent(WallTime time, int64_t step) {
  std::string session;
  AppendVarintField(kSessionLogStatus, kSessionLogStart, session);
  std::string event = EventAt(time, step);
  AppendBytesField(kEventSessionLog, session, event);
  return event;
}

std::string ScalarsEvent(WallTime time, int64_t step, std::span<const Scalar> scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    AppendBytesField(kValueTag, scalar.tag, value);
    AppendKey(kValueSimpleValue, WireType::kFixed32, value);
    AppendLittleEndian(std::bit_cast<uint32_t>(scalar.value), value);
    AppendBytesField(kSummaryValue, value, summary);
  }
  std::string event = EventAt(time, step);
  AppendBytesField(kEventSummary, summary, event);
  return event;
}

std::string FramedRecord(std::string_view content) {
  std::string record;
  AppendLittleEndian(uint64_t{content.size()}, record);
  AppendLittleEndian(MaskedCrc(record), record);
  record += content;
  AppendLittleEndian(MaskedCrc(content), record);
  return record;
}

}  // namespace tandem
