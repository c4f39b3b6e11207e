# cmake -DSOURCE=folder -DOUTPUT=x.cc -P write_commit.cmake
#
# Writes x.cc, which defines kCommit (tests/gpu/commit.h), unless it says the same already.

find_program(GIT git)
set(commit unknown)
if(GIT)
  execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --abbrev=10 --exclude=* --dirty=+
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit ${described})
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "// Made by cmake/write_commit.cmake.
#include \"tests/gpu/commit.h\"

namespace tandem {

const char* const kCommit = \"${commit}\";

}  // namespace tandem
")
