#include "engine/text/sentencepiece_model_options.h"

#include <cstdint>
#include <limits>
#include <optional>

#include "kernels/core/error.h"

namespace tandem {
namespace {

// One field after another of a serialized message.
class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : bytes_(bytes) {}

  struct Field {
    uint64_t number;
    std::optional<uint64_t> value;          // of a varint
    std::optional<std::string_view> bytes;  // of a string or a message
  };

  std::optional<Field> Next() {
    if (bytes_.empty()) return std::nullopt;
    const uint64_t key = Varint();
    // The library drops the upper bits, and would see another field than we do.
    if (key > std::numeric_limits<uint32_t>::max()) Fail();
    Field field{key >> 3, std::nullopt, std::nullopt};
    switch (key & 7) {
      case 0:
        field.value = Varint();
        break;
      case 1:
        Take(8);
        break;
      case 2:
        field.bytes = Take(Varint());
        break;
      case 5:
        Take(4);
        break;
      default:
        Fail();
    }
    return field;
  }

 private:
  [[noreturn]] static void Fail() { throw FormatError("is not a SentencePiece model"); }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(Take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    Fail();
  }

  std::string_view Take(uint64_t size) {
    if (size > bytes_.size()) Fail();
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
};

// A field of another type than its own is unknown to the library, and skipped.
void ReadFlag(const MessageReader::Field& field, uint64_t number, bool* flag) {
  if (field.number == number && field.value) *flag = *field.value != 0;
}

void ReadTrainerSpec(std::string_view bytes, SentencePieceModelOptions* options) {
  MessageReader reader(bytes);
  while (const auto field = reader.Next()) {
    ReadFlag(*field, 24, &options->treat_whitespace_as_suffix);
  }
}

void ReadNormalizerSpec(std::string_view bytes, SentencePieceModelOptions* options) {
  MessageReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number == 2 && field->bytes) options->charsmap = *field->bytes;
    ReadFlag(*field, 3, &options->add_dummy_prefix);
    ReadFlag(*field, 4, &options->remove_extra_whitespaces);
    ReadFlag(*field, 5, &options->escape_whitespaces);
  }
}

// A denormalizer without rules does nothing.
bool HasRules(std::string_view normalizer_spec) {
  MessageReader reader(normalizer_spec);
  while (const auto field = reader.Next()) {
    if (field->number == 2 && field->bytes && !field->bytes->empty()) return true;
  }
  return false;
}

}  // namespace

SentencePieceModelOptions ReadSentencePieceModelOptions(std::string_view model) {
  SentencePieceModelOptions options;
  MessageReader reader(model);
  while (const auto field = reader.Next()) {
    if (!field->bytes) continue;
    if (field->number == 2) ReadTrainerSpec(*field->bytes, &options);
    if (field->number == 3) ReadNormalizerSpec(*field->bytes, &options);
    if (field->number == 5 && HasRules(*field->bytes)) options.has_denormalizer = true;
  }
  return options;
}

}  // namespace tandem
