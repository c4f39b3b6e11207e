# cmake -DFILES=a;b -DOUTPUT=x.cc -P embed_files.cmake
#
# Writes x.cc, which defines PageFiles() (api/routes/page_files.h): each file's name, its bytes as one
# string literal, and a hash of them.

set(table "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 20 hash)  # enough to tell versions apart
  file(SIZE ${file} size)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  string(APPEND table "    {\"${name}\", {\"${bytes}\", ${size}}, \"${hash}\"},\n")
endforeach()

file(WRITE ${OUTPUT} "// Made by cmake/embed_files.cmake.
#include \"api/routes/page_files.h\"

namespace tandem {

namespace {
constexpr PageFile kFiles[] = {
${table}};
}  // namespace

std::span<const PageFile> PageFiles() { return kFiles; }

}  // namespace tandem
")
