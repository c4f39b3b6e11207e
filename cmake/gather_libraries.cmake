# cmake -DPROGRAM=file -DFOLDER=folder -P gather_libraries.cmake
#
# Copies the shared libraries of the program into FOLDER/lib, but for those of the C library, which
# every machine has, and says how much there is then.

file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAM} RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing
  POST_EXCLUDE_REGEXES "/(libc|libm|libdl|librt|libpthread|libresolv)\\.so" "/ld-linux")
if(missing)
  message(FATAL_ERROR "these libraries are not here: ${missing}")
endif()
file(REMOVE_RECURSE ${FOLDER}/lib)
foreach(library ${libraries})
  file(REAL_PATH ${library} real)
  get_filename_component(name ${library} NAME)
  file(COPY_FILE ${real} ${FOLDER}/lib-${name})
  file(MAKE_DIRECTORY ${FOLDER}/lib)
  file(RENAME ${FOLDER}/lib-${name} ${FOLDER}/lib/${name})
endforeach()

set(limit 64000000)
set(total 0)
file(GLOB_RECURSE files ${FOLDER}/*)
foreach(file ${files})
  file(SIZE ${file} size)
  math(EXPR total "${total} + ${size}")
endforeach()
math(EXPR megabytes "${total} / 1000000")
if(total GREATER limit)
  message(FATAL_ERROR "${FOLDER} has ${megabytes} MB; at most 64 may be taken along")
endif()
message(STATUS "${FOLDER}: ${megabytes} MB")
