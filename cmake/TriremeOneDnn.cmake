# SPDX-License-Identifier: Apache-2.0
# trireme_onednn: the oneDNN of PyPI's onednn-cpu-gomp and onednn-devel-cpu-gomp, beside the chosen
# Python. Both packages are wheels whose files go under the prefix: <prefix>/include, <prefix>/lib.
# (torch's own copy of oneDNN is hidden in its libraries, so the two do not meet.)

# Where the packages put their files; a user or target install is not under sys.prefix.
execute_process(
  COMMAND "${Python3_EXECUTABLE}" -c "
import importlib.metadata as m, os
def place(package, name):
    try:
        files = m.files(package) or []
    except m.PackageNotFoundError:
        return ''
    return next((os.path.dirname(os.path.normpath(f.locate())) for f in files if f.name == name), '')
print(place('onednn-cpu-gomp', 'libdnnl.so.3'), os.path.dirname(os.path.dirname(place('onednn-devel-cpu-gomp', 'dnnl_graph.hpp'))), sep=';')"
  OUTPUT_VARIABLE places
  OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
list(GET places 0 TRIREME_ONEDNN_LIB)
list(GET places 1 TRIREME_ONEDNN_INCLUDE)
if(NOT EXISTS "${TRIREME_ONEDNN_LIB}/libdnnl.so.3" OR NOT EXISTS "${TRIREME_ONEDNN_INCLUDE}/oneapi/dnnl/dnnl.hpp")
  set(TRIREME_ONEDNN_FOUND OFF)
  return()
endif()
set(TRIREME_ONEDNN_FOUND ON)
message(STATUS "oneDNN: ${TRIREME_ONEDNN_LIB}")

add_library(onednn_import::dnnl SHARED IMPORTED GLOBAL)
set_target_properties(onednn_import::dnnl PROPERTIES
  IMPORTED_LOCATION "${TRIREME_ONEDNN_LIB}/libdnnl.so.3"
  IMPORTED_SONAME libdnnl.so.3)

add_library(trireme_onednn INTERFACE)
target_include_directories(trireme_onednn SYSTEM INTERFACE "${TRIREME_ONEDNN_INCLUDE}")
# oneDNN takes its number of threads from OpenMP. libdnnl asks for libgomp.so.1: the same runtime as
# torch's where torch's has that name, as in its CPU builds.
target_compile_options(trireme_onednn INTERFACE -fopenmp)
target_link_libraries(trireme_onednn INTERFACE onednn_import::dnnl)
if(TRIREME_TORCH_GOMP)
  target_link_libraries(trireme_onednn INTERFACE "${TRIREME_TORCH_GOMP}")
  get_filename_component(gomp_name "${TRIREME_TORCH_GOMP}" NAME)
  if(NOT gomp_name STREQUAL "libgomp.so.1")
    message(WARNING "torch brings its OpenMP runtime as ${gomp_name}, oneDNN loads libgomp.so.1: two thread "
                    "pools in the process. Use a build of torch with libgomp.so.1.")
  endif()
else()
  target_link_options(trireme_onednn INTERFACE -fopenmp)
endif()
