// SPDX-License-Identifier: Apache-2.0
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/python_headers.h>

#include "trireme/python/bindings.h"
#include "trireme/record/recorder.h"

namespace trireme::python {
namespace {

// A thread that holds the GIL gives it up while it waits: the autograd threads that record may need
// it.
void* enter_wait() {
  if (Py_IsInitialized() == 0 || PyGILState_Check() == 0) return nullptr;
  return PyEval_SaveThread();
}

void leave_wait(void* state) {
  if (state != nullptr) PyEval_RestoreThread(static_cast<PyThreadState*>(state));
}

bool interrupted() {
  if (Py_IsInitialized() == 0) return false;
  const PyGILState_STATE state = PyGILState_Ensure();
  const bool pressed = PyErr_CheckSignals() != 0;
  PyGILState_Release(state);
  return pressed;
}

// PyErr_CheckSignals has set the exception of this thread; torch's bindings hand it on.
void raise_interrupt() {
  const PyGILState_STATE state = PyGILState_Ensure();
  python_error error;
  error.persist();
  PyGILState_Release(state);
  throw error;
}

}  // namespace

void install_wait_hooks() {
  record::recorder().queue().set_wait_hooks(
      {&enter_wait, &leave_wait, &interrupted, &raise_interrupt});
}

}  // namespace trireme::python
