#include "engine/text/tokenizer_files.h"

#include <system_error>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json",      "tokenizer_config.json", "tokenizer.model", "vocab.json",
    "merges.txt",          "encoder.json",          "vocab.bpe",       "special_tokens_map.json",
    "chat_template.jinja", "generation_config.json"};

}  // namespace

void CopyTokenizerFiles(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (fs::equivalent(from, to, error)) return;
  for (const char* name : kTokenizerFiles) {
    if (!fs::exists(from / name, error)) continue;
    // A link in a download cache becomes a file.
    fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing, error);
    if (error) {
      throw DeviceError("cannot copy " + Quoted((from / name).string()) + " to " +
                        Quoted(to.string()) + ": " + error.message());
    }
    fs::permissions(to / name, fs::perms::owner_write, fs::perm_options::add, error);
  }
}

}  // namespace tandem
