// SPDX-License-Identifier: Apache-2.0
// Parts of the Python module.
#pragma once

namespace trireme::python {

// Makes waits release the GIL and notice Ctrl-C.
void install_wait_hooks();

// Tells the recorder how to read the program's lines from the interpreter.
void install_call_sites();

}  // namespace trireme::python
