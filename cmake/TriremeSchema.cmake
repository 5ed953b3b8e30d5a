# SPDX-License-Identifier: Apache-2.0
# trireme_add_schemas(<target> <file.fbs>...): an interface library with the generated headers, to be
# included as "<file>_generated.h".

find_program(FLATC_PROGRAM flatc)
find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h)

add_custom_target(trireme_generated)  # all generated headers, for the lint build

function(trireme_add_schemas target)
  if(NOT FLATC_PROGRAM OR NOT FLATBUFFERS_INCLUDE_DIR)
    message(FATAL_ERROR "FlatBuffers not found: install flatbuffers-compiler and libflatbuffers-dev.")
  endif()
  set(out "${CMAKE_CURRENT_BINARY_DIR}/generated")
  set(headers)
  foreach(schema IN LISTS ARGN)
    get_filename_component(name "${schema}" NAME_WE)
    get_filename_component(dir "${schema}" DIRECTORY)
    set(header "${out}/${name}_generated.h")
    add_custom_command(
      OUTPUT "${header}"
      COMMAND "${FLATC_PROGRAM}" --cpp --cpp-std c++17 --scoped-enums -I "${dir}" -o "${out}" "${schema}"
      DEPENDS "${schema}"
      COMMENT "flatc ${name}.fbs"
      VERBATIM)
    list(APPEND headers "${header}")
  endforeach()
  add_custom_target(${target}_headers DEPENDS ${headers})
  add_dependencies(trireme_generated ${target}_headers)
  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_headers)
  target_include_directories(${target} SYSTEM INTERFACE "${out}")
endfunction()
