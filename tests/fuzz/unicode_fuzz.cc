// UTF-8 and the normal forms on any bytes: the functions agree with each other, and repairing,
// normalising and printing give valid text.

#include <string>

#include "engine/base/printable.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

// Two implementations of the same table, in engine/base and in engine/text.
void CheckUnits(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const std::string_view rest = bytes.substr(at);
    const Utf8Unit unit = ReadUtf8Unit(rest);
    CHECK(unit.length >= 1 && unit.length <= rest.size());
    const bool is_character = unit.kind == Utf8Unit::Kind::kCharacter;
    CHECK(Utf8SequenceBytes(rest) == (is_character ? unit.length : 0), at);
    if (unit.kind == Utf8Unit::Kind::kUnfinished)
      CHECK(unit.length == rest.size() && unit.length < 4);
    at += unit.length;
  }
}

// Given byte by byte, the whole characters come out as from one piece.
void CheckStreaming(std::string_view bytes, const std::string& repaired) {
  std::string out;
  std::string pending;
  for (const char byte : bytes) {
    pending += byte;
    pending.erase(0, AppendWholeCharacters(pending, &out));
    CHECK(pending.size() < 4, pending.size());
    CHECK(IsValidUtf8(out));
  }
  CHECK(out + ReplaceInvalidUtf8(pending) == repaired);
}

void CheckCharacters(const std::string& text) {
  std::string written;
  for (size_t position = 0; position < text.size();) {
    const size_t before = position;
    const char32_t character = NextCharacter(text, &position);
    CHECK(position > before && position <= text.size());
    CHECK(character < 0x110000 && (character < 0xD800 || character > 0xDFFF));
    CHECK(!(IsWhitespace(character) && IsWordCharacter(character)), uint32_t{character});
    AppendUtf8(character, &written);
  }
  CHECK(written == text);
}

void CheckNormalForms(const std::string& text) {
  const std::string nfc = Normalize(text, NormalForm::kNfc);
  const std::string nfd = Normalize(text, NormalForm::kNfd);
  const std::string nfkc = Normalize(text, NormalForm::kNfkc);
  const std::string nfkd = Normalize(text, NormalForm::kNfkd);
  for (const std::string* form : {&nfc, &nfd, &nfkc, &nfkd}) CHECK(IsValidUtf8(*form));
  // Unicode standard annex 15, section 1.3.
  CHECK(Normalize(nfc, NormalForm::kNfc) == nfc && Normalize(nfd, NormalForm::kNfc) == nfc);
  CHECK(Normalize(nfd, NormalForm::kNfd) == nfd && Normalize(nfc, NormalForm::kNfd) == nfd);
  for (const std::string* form : {&nfc, &nfd, &nfkc, &nfkd}) {
    CHECK(Normalize(*form, NormalForm::kNfkc) == nfkc &&
          Normalize(*form, NormalForm::kNfkd) == nfkd);
  }
}

void CheckPrintable(std::string_view bytes) {
  for (const std::string& shown : {Printable(bytes), Printable(bytes, 7), Quoted(bytes, 7)}) {
    CHECK(IsValidUtf8(shown));
    for (const char c : shown) CHECK(static_cast<uint8_t>(c) >= 0x20 && c != 0x7F);
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string_view bytes = AsText(data, size);
  CheckUnits(bytes);
  CheckPrintable(bytes);
  const std::string repaired = ReplaceInvalidUtf8(bytes);
  CHECK(IsValidUtf8(repaired) && ReplaceInvalidUtf8(repaired) == repaired);
  CHECK(IsValidUtf8(bytes) == (repaired == bytes));
  CheckStreaming(bytes, repaired);
  CheckCharacters(repaired);
  CheckNormalForms(repaired);
  return 0;
}
