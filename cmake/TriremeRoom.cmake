# SPDX-License-Identifier: Apache-2.0
# trireme_add_room(<room> [TORCH] [USES <earlier room>...] [LIBRARIES <library>...] [EXCLUDE <regex>])
#
# A room is one object library, trireme_<room>, of all *.cpp under its folder. Object libraries, because
# a linker drops members of an archive that nothing names, and with them the operator registrations.
# Whoever links rooms names each of them: only direct links bring the objects along.
# EXCLUDE: sources that belong to another target.
# A room without sources yet is an empty interface library.

if(TRIREME_PCH)
  # Compiled once; each room that includes torch reuses it.
  file(WRITE "${CMAKE_BINARY_DIR}/pch/pch.cpp" "")
  add_library(trireme_pch OBJECT "${CMAKE_BINARY_DIR}/pch/pch.cpp")
  target_link_libraries(trireme_pch PRIVATE trireme_torch)
  target_precompile_headers(trireme_pch PRIVATE "${CMAKE_SOURCE_DIR}/cmake/pch.h")
endif()

function(trireme_use_pch target)
  if(TRIREME_PCH)
    target_precompile_headers(${target} REUSE_FROM trireme_pch)
  endif()
endfunction()

function(trireme_add_room room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH" "EXCLUDE" "USES;LIBRARIES")
  set(target trireme_${room})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  if(arg_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${arg_EXCLUDE}")
  endif()
  if(sources)
    add_library(${target} OBJECT ${sources})
    set(scope PUBLIC)
  else()
    message(STATUS "Room ${room}: no sources yet")
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} "${CMAKE_SOURCE_DIR}/src")
  if(arg_TORCH)
    target_link_libraries(${target} ${scope} trireme_torch)
    if(sources)
      trireme_use_pch(${target})
    endif()
  endif()
  # Only usage requirements of the other rooms: the order of the rooms is enforced by the tests.
  target_link_libraries(${target} ${scope} ${arg_LIBRARIES})
  foreach(used IN LISTS arg_USES)
    target_link_libraries(${target} ${scope} trireme_${used})
  endforeach()
endfunction()
