# SPDX-License-Identifier: Apache-2.0
# What the compiler needs: LLVM 19 and oneDNN. TRIREME_COMPILER tells whether it is built. Without it
# programs run uncompiled, so an install may do without; the tests may not.
include(TriremeOneDnn)
find_package(LLVM 19.1 CONFIG QUIET)

set(missing)
if(NOT LLVM_FOUND)
  list(APPEND missing "LLVM 19 (Debian: llvm-19-dev libzstd-dev)")
endif()
if(NOT TRIREME_ONEDNN_FOUND)
  list(APPEND missing "oneDNN (pip install onednn-cpu-gomp==2023.2.0 onednn-devel-cpu-gomp==2023.2.0)")
endif()
if(NOT missing)
  set(TRIREME_COMPILER ON)
  message(STATUS "LLVM: ${LLVM_DIR}")
  set_target_properties(LLVM PROPERTIES IMPORTED_GLOBAL TRUE)  # the tests link it, too
else()
  set(TRIREME_COMPILER OFF)
  list(JOIN missing " and " missing)
  if(TRIREME_TESTS)
    message(FATAL_ERROR "The compiler's tests need ${missing}. Run `make build`: it sets up all of it.")
  endif()
  message(WARNING "Built without the compiler, programs run uncompiled: it needs ${missing}.")
endif()
