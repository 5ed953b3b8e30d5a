// SPDX-License-Identifier: Apache-2.0
// Parts of the Python module.
#pragma once

namespace pybind11 {
class module_;
}

namespace trireme::python {

// Makes waits release the GIL, notice Ctrl-C, and issue Python's warnings.
void install_wait_hooks();

// Tells the recorder how to read the program's lines from the interpreter.
void install_call_sites();

// Adds recording, replay and the transcript; starts those that the environment asks for.
void add_stream_bindings(pybind11::module_& module);

// Ends a recording that is under way; a failure becomes a warning.
void finish_recording();

}  // namespace trireme::python
