# SPDX-License-Identifier: Apache-2.0
# Compiler, linker and build-type settings of every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")

# A sanitizer build: fast enough to run the tests, with usable stacks.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer -fno-optimize-sibling-calls")
set(CMAKE_EXE_LINKER_FLAGS_SANITIZE "")
set(CMAKE_MODULE_LINKER_FLAGS_SANITIZE "")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # ccache caches users of a precompiled header only with these; see its manual, "Precompiled headers".
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

# -fPIC by hand: CMake would give -fPIE to executables, and then they could not use the rooms'
# precompiled header.
add_compile_options(
  -fPIC -Wall -Wextra -Werror -fdiagnostics-color=auto
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(TRIREME_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fpch-preprocess)  # for ccache
endif()

if(TRIREME_SANITIZER)
  add_compile_options(-fsanitize=${TRIREME_SANITIZER} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TRIREME_SANITIZER})
  # GCC's flow warnings are unreliable in instrumented code.
  add_compile_options(-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow)
  if(TRIREME_SANITIZER MATCHES "thread")
    add_compile_options(-Wno-tsan)  # "atomic_thread_fence is not supported": torch's headers use it
  endif()
endif()

# What a program or module links beside the rooms in a sanitizer build.
add_library(trireme_sanitizer INTERFACE)
if(TRIREME_SANITIZER MATCHES "thread")
  target_sources(trireme_sanitizer INTERFACE "${CMAKE_SOURCE_DIR}/tests/cpp/tsan_openmp.cpp")
  target_link_libraries(trireme_sanitizer INTERFACE ${CMAKE_DL_LIBS})
endif()
