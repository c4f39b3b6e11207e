#pragma once
// A model directory that needs nothing from outside the checkout: a golden checkpoint, with a
// tokenizer of letters, which it lacks.

#include <filesystem>
#include <string>

#include "tests/support/temporary_directory.h"

namespace tandem {

// Characters are tokens: a..z, then the byte-level space. Others vanish.
inline std::string LetterTokenizer() {
  std::string vocab;
  for (char c = 'a'; c <= 'z'; ++c) {
    vocab += "\"" + std::string(1, c) + "\": " + std::to_string(c - 'a' + 3) + ", ";
  }
  return R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
             "decoder": {"type": "ByteLevel"},
             "model": {"type": "BPE", "vocab": {)" +
         vocab + R"("\u0120": 29}, "merges": []}})";
}

// `base` is on the same file system.
inline void WriteLetterModel(const std::filesystem::path& directory,
                             const TemporaryDirectory& base) {
  const std::filesystem::path golden = TANDEM_SOURCE_DIR "/tests/golden/models/llama";
  std::filesystem::create_directories(directory);
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(golden / name, directory / name);
  }
  std::filesystem::rename(base.Write("tokenizer.json", LetterTokenizer()),
                          directory / "tokenizer.json");
}

}  // namespace tandem
