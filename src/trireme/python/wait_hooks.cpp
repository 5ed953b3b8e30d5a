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

// What a thread has that is in none of torch's bindings: it writes to stderr.
c10::WarningHandler* plain_handler() {
  static c10::WarningHandler* const handler = c10::WarningUtils::get_warning_handler();
  return handler;
}

// Some of torch's bindings (torch.accelerator.synchronize) do not hand warnings to Python.
void issue_warning(const c10::Warning& warning) {
  if (Py_IsInitialized() == 0 || c10::WarningUtils::get_warning_handler() != plain_handler()) {
    c10::warn(warning);
    return;
  }
  const torch::PyWarningHandler to_python;
  c10::warn(warning);
}

}  // namespace

void install_wait_hooks() {
  record::recorder().queue().set_wait_hooks(
      {&enter_wait, &leave_wait, &interrupted, &raise_interrupt});
  plain_handler();  // importing a module is in no binding
  record::recorder().warnings().set_issuer(&issue_warning);
}

}  // namespace trireme::python
