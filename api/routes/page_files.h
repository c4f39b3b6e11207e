#pragma once
// The files of the chat page and the dashboard (api/page), compiled into the program.

#include <span>
#include <string_view>

namespace tandem {

struct PageFile {
  std::string_view name;  // without a folder
  std::string_view bytes;
  std::string_view hash;  // of the bytes
};

// All of them, sorted by name. Made by cmake/embed_files.cmake.
std::span<const PageFile> PageFiles();

}  // namespace tandem
