# Every third-party library, found once. DESIGN's table says why each; ARCHITECTURE.md dates additions.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(prometheus-cpp REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)

# Without gloo (Debian: libgloo-dev) ranks are threads of one process only.
find_package(Gloo CONFIG QUIET)
if(NOT TARGET gloo)
  message(STATUS "gloo was not found: no collectives between processes")
endif()
# Of NCCL only the header: the library is opened at run time.
if(TANDEM_CUDA)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(NOT NCCL_INCLUDE_DIR)
    message(STATUS "nccl.h was not found: no collectives between GPUs")
  endif()
endif()
