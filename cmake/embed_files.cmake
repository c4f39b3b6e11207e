# cmake -DFILES=a;b -DOUTPUT=x.cc [-DHEADER=y.h -DFUNCTION=Name] -P embed_files.cmake
#
# Writes x.cc, which defines PageFiles() (api/routes/page_files.h), or the function of that name and
# header: each file's name, its bytes as one string literal, and a hash of them.

if(NOT FUNCTION)
  set(FUNCTION PageFiles)
  set(HEADER api/routes/page_files.h)
endif()

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
#include \"${HEADER}\"

namespace tandem {

namespace {
constexpr PageFile kFiles[] = {
${table}};
}  // namespace

std::span<const PageFile> ${FUNCTION}() { return kFiles; }

}  // namespace tandem
")
