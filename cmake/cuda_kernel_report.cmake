# Target cuda_kernel_report: what each kernel of kernels_cuda takes of the device, and an error when
# one spills registers or keeps anything in local memory. The numbers are ptxas's own, kept as the
# library is compiled (keep_ptxas_info): cuobjdump does not tell spills, and not every installation
# of CUDA has it. Dynamic shared memory is not among them: a launch asks for it.
#
# This file is both the module and, under `cmake -P`, the script that prints the table.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  function(add_cuda_kernel_report library)
    set_target_properties(${library} PROPERTIES
      CUDA_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/keep_ptxas_info)
    target_compile_options(${library} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=-v>)
    find_program(TANDEM_CXXFILT NAMES c++filt cu++filt REQUIRED)
    add_custom_target(cuda_kernel_report VERBATIM
      COMMAND ${CMAKE_COMMAND} "-DOBJECTS=$<TARGET_OBJECTS:${library}>"
        -DCXXFILT=${TANDEM_CXXFILT} -DREPORT=${CMAKE_BINARY_DIR}/cuda_kernel_report.txt
        -P ${CMAKE_SOURCE_DIR}/cmake/cuda_kernel_report.cmake)
    add_dependencies(cuda_kernel_report ${library})
  endfunction()
  return()
endif()

# Kernels that may, each "REGULAR EXPRESSION because REASON". Their source must also be compiled
# without -warn-spills or -warn-lmem-usage.
set(allowed)

# ---- What ptxas said: a list of kernels, and of each one's numbers ----

set(kernels)
foreach(object IN LISTS OBJECTS)
  if(NOT object MATCHES "\\.cu\\.o$")
    continue()
  endif()
  if(NOT EXISTS ${object}.ptxas)
    message(FATAL_ERROR "${object}.ptxas is not there: remove the object and build again")
  endif()
  file(STRINGS ${object}.ptxas lines)
  foreach(line IN LISTS lines)
    if(line MATCHES "Compiling entry function '(.*)' for '(.*)'")
      set(kernel "${CMAKE_MATCH_1}/${CMAKE_MATCH_2}")
      list(APPEND kernels ${kernel})
      set(${kernel}_shared 0)
      set(${kernel}_stack 0)
      set(${kernel}_spills 0)
    elseif(line MATCHES "([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes")
      # Functions that the kernel calls count with it.
      math(EXPR ${kernel}_stack "${${kernel}_stack} + ${CMAKE_MATCH_1}")
      math(EXPR ${kernel}_spills "${${kernel}_spills} + ${CMAKE_MATCH_2} + ${CMAKE_MATCH_3}")
    elseif(line MATCHES "Used ([0-9]+) registers")
      set(${kernel}_registers ${CMAKE_MATCH_1})
      if(line MATCHES "([0-9]+) bytes smem")
        set(${kernel}_shared ${CMAKE_MATCH_1})
      endif()
    endif()
  endforeach()
endforeach()
if(NOT kernels)
  message(FATAL_ERROR "no kernels in ${OBJECTS}")
endif()

# ---- Names ----

list(TRANSFORM kernels REPLACE "/.*" "" OUTPUT_VARIABLE mangled)
execute_process(COMMAND ${CXXFILT} -p ${mangled} OUTPUT_VARIABLE names COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "tandem::|cuda::|\\(anonymous namespace\\)::|_GLOBAL__N_[a-z0-9_]*::" "" names
  "${names}")
string(STRIP "${names}" names)
string(REPLACE "\n" ";" names "${names}")

# ---- The table ----

# Sets `line` to the columns, the first to the left and the others to the right.
macro(lay_out name)
  set(line "${name}")
  string(LENGTH "${line}" length)
  while(length LESS widest)
    string(APPEND line " ")
    math(EXPR length "${length} + 1")
  endwhile()
  foreach(column ${ARGN})
    set(cell "${column}")
    string(LENGTH "${cell}" length)
    while(length LESS 11)
      string(PREPEND cell " ")
      math(EXPR length "${length} + 1")
    endwhile()
    string(APPEND line "${cell}")
  endforeach()
endmacro()

set(widest 0)
foreach(name IN LISTS names)
  string(LENGTH "${name}" length)
  if(length GREATER widest)
    set(widest ${length})
  endif()
endforeach()
set(rows)
set(refused)
foreach(kernel name IN ZIP_LISTS kernels names)
  string(REGEX REPLACE ".*/" "" architecture ${kernel})
  lay_out("${name}" ${architecture} ${${kernel}_registers} ${${kernel}_shared} ${${kernel}_stack}
    ${${kernel}_spills})
  if(${kernel}_stack GREATER 0 OR ${kernel}_spills GREATER 0)
    set(why)
    foreach(entry IN LISTS allowed)
      if(entry MATCHES "^(.*) because (.*)$" AND name MATCHES "${CMAKE_MATCH_1}")
        string(REGEX REPLACE ".* because " "" why "${entry}")
      endif()
    endforeach()
    if(why)
      string(APPEND line "  allowed: ${why}")
    else()
      string(APPEND line "  local memory")
      list(APPEND refused "${line}")
    endif()
  endif()
  list(APPEND rows "${line}")
endforeach()
list(SORT rows)
lay_out("kernel" architecture registers shared stack spills)
list(PREPEND rows "${line}")
list(JOIN rows "\n" table)
file(WRITE ${REPORT} "${table}\n")
execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${REPORT})
if(refused)
  list(JOIN refused "\n  " text)
  message(FATAL_ERROR "kernels that use local memory (bytes of stack, of spills):\n  ${text}\n"
    "Give them fewer values to hold, or an entry in cmake/cuda_kernel_report.cmake with the reason.")
endif()
