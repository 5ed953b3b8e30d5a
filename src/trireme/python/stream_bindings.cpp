// SPDX-License-Identifier: Apache-2.0
// Recording, replay and the transcript, for Python.
#include <pybind11/stl.h>
#include <torch/extension.h>

#include <optional>

#include "trireme/python/bindings.h"
#include "trireme/record/recorder.h"
#include "trireme/record/stream/recording.h"
#include "trireme/record/transcript.h"
#include "trireme/run/replay.h"
#include "trireme/run/segment/compiler_library.h"
#include "trireme/run/verify/verifier.h"

namespace trireme::python {
namespace {

namespace py = pybind11;

py::dict replay(const std::string& path, bool partial, bool verify) {
  run::ReplayResult result;
  {
    const py::gil_scoped_release unlocked;
    std::optional<run::Verifier> verifier;
    if (verify) verifier.emplace(&run::load_compiler());
    result = run::replay(path, {.partial = partial, .verifier = verify ? &*verifier : nullptr});
  }
  py::list differences;
  for (const run::Mismatch& item : result.mismatches) {
    py::dict entry;
    entry["read"] = item.read;
    entry["call"] = item.call;
    entry["op"] = item.op;
    entry["issued"] = item.issued;
    entry["where"] = item.where;
    entry["what"] = item.what;
    differences.append(std::move(entry));
  }
  py::dict report;
  report["calls"] = result.calls;
  report["reads"] = result.reads;
  report["compared_bytes"] = result.compared_bytes;
  report["mismatch_count"] = result.mismatch_count;
  report["mismatches"] = differences;
  report["failed_calls"] = result.failed_calls;
  report["complete"] = result.complete;
  report["note"] = result.note;
  return report;
}

std::string explain_file(const std::string& path) {
  const py::gil_scoped_release unlocked;
  std::string text;
  record::explain_file(path, [&](std::string_view line) { (text += line) += '\n'; });
  return text;
}

}  // namespace

void finish_recording() {
  try {
    record::stop_recording();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trireme: warning: %s\n", error.what());
  }
}

void add_stream_bindings(py::module& m) {
  record::record_from_environment();
  record::log_from_environment();
  record::explain_from_environment();

  m.def("start_recording", &record::start_recording, py::arg("path"),
        py::call_guard<py::gil_scoped_release>(), "Records the stream from here on to a file.");
  m.def("stop_recording", &record::stop_recording, py::call_guard<py::gil_scoped_release>());
  m.def("recording", &record::recording);
  m.def("replay", &replay, py::arg("path"), py::arg("partial") = false, py::arg("verify") = false,
        "Runs a recording again and compares every value that its program read.");
  m.def("explain", &record::explain);
  m.def("enable_explain", &record::enable_explain, py::arg("enable") = true);
  m.def("explain_file", &explain_file, py::arg("path"));
}

}  // namespace trireme::python
