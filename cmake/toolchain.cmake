# How every target is compiled. `tandem_compile` is linked by each library of ours and by nothing else.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
# Programs lie in one folder, as when installed: `tandem` finds the others beside itself.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  add_link_options(-fuse-ld=mold)
endif()

add_library(tandem_compile INTERFACE)
target_include_directories(tandem_compile INTERFACE ${CMAKE_SOURCE_DIR})
set(tandem_flags
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -Wno-psabi             # kernels/cpu/vec.h passes wide vectors, always inlined
  -Wno-missing-field-initializers  # designated initialisers leave defaults out on purpose
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # GCC bug 105651: false alarms in "literal" + string
  -ffp-contract=off      # contraction is explicit: std::fma where we mean it (DESIGN 3.4)
  -fno-math-errno)
target_compile_options(tandem_compile INTERFACE "$<$<COMPILE_LANGUAGE:C,CXX>:${tandem_flags}>")
if(TANDEM_FUZZ)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS -fsanitize=fuzzer)
  check_cxx_source_compiles([[
    #include <cstddef>
    #include <cstdint>
    extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }]] HAS_LIBFUZZER)
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT HAS_LIBFUZZER)
    message(FATAL_ERROR "TANDEM_FUZZ needs clang with libFuzzer; ${CMAKE_CXX_COMPILER} "
      "(${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}) does not link -fsanitize=fuzzer. "
      "Debian has it in libclang-rt-14-dev. "
      "With another clang: cmake --preset fuzz -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19")
  endif()
  set(TANDEM_SANITIZE address,undefined)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(TANDEM_SANITIZE)
  add_compile_options(-fsanitize=${TANDEM_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${TANDEM_SANITIZE})
  # GCC's manual: the instrumentation makes this warning report what is initialised.
  target_compile_options(tandem_compile INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(TANDEM_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(TANDEM_SANITIZE MATCHES "thread")
    # Asio has fences, which this sanitizer does not see; the locks around them it does.
    target_compile_options(tandem_compile INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()
