# SPDX-License-Identifier: Apache-2.0
# Targets for the PyTorch that is installed beside the chosen Python:
#   trireme_torch         what the rooms link
#   trireme_torch_python  what the Python module links, too
#
# PyTorch's own TorchConfig.cmake is not used: with a CUDA build of PyTorch it demands a CUDA toolkit,
# which this project doesn't need.

find_package(Python3 3.10 REQUIRED COMPONENTS Interpreter Development.Module)

# find_spec does not import torch: no wait, and no half-built device loaded by its entry point.
execute_process(
  COMMAND "${Python3_EXECUTABLE}" -c
          "import importlib.util as u, os; s = u.find_spec('torch'); print(os.path.dirname(s.origin) if s else '')"
  OUTPUT_VARIABLE TRIREME_TORCH_DIR
  OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS "${TRIREME_TORCH_DIR}/include/ATen/ATen.h")
  message(FATAL_ERROR "No PyTorch beside ${Python3_EXECUTABLE}. Run `make build` (it sets up .venv), or "
                      "install torch==2.13.0 there and build with --no-build-isolation.")
endif()
message(STATUS "PyTorch: ${TRIREME_TORCH_DIR}")

function(trireme_import_torch_library name)
  add_library(torch_import::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(torch_import::${name} PROPERTIES
    IMPORTED_LOCATION "${TRIREME_TORCH_DIR}/lib/lib${name}.so")
endfunction()
trireme_import_torch_library(torch_cpu)
trireme_import_torch_library(c10)
trireme_import_torch_library(torch_python)

add_library(trireme_torch INTERFACE)
target_include_directories(trireme_torch SYSTEM INTERFACE
  "${TRIREME_TORCH_DIR}/include" "${TRIREME_TORCH_DIR}/include/torch/csrc/api/include")
# Without -fopenmp at::parallel_for is silently serial.
target_compile_options(trireme_torch INTERFACE -fopenmp)
target_link_libraries(trireme_torch INTERFACE torch_import::torch_cpu torch_import::c10)
# libraries that torch's own need are found by its RUNPATH when it is loaded
target_link_options(trireme_torch INTERFACE LINKER:--allow-shlib-undefined)

# One OpenMP runtime in the process: the one that torch ships, whatever its file name.
file(GLOB TRIREME_TORCH_GOMP "${TRIREME_TORCH_DIR}/lib/libgomp*.so*")
if(TRIREME_TORCH_GOMP)
  list(GET TRIREME_TORCH_GOMP 0 TRIREME_TORCH_GOMP)
  target_link_libraries(trireme_torch INTERFACE "${TRIREME_TORCH_GOMP}")
else()
  target_link_options(trireme_torch INTERFACE -fopenmp)
endif()

add_library(trireme_torch_python INTERFACE)
target_link_libraries(trireme_torch_python INTERFACE trireme_torch torch_import::torch_python Python3::Module)
