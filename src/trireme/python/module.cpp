// SPDX-License-Identifier: Apache-2.0
// trireme._C: what the Python package needs of the device. No logic here.
#include <pybind11/stl.h>
#include <torch/csrc/DynamicTypes.h>
#include <torch/csrc/Exceptions.h>
#include <torch/extension.h>

#include "trireme/device/generator.h"
#include "trireme/device/register.h"
#include "trireme/python/bindings.h"
#include "trireme/record/infer_outputs.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/host_allocator.h"
#include "trireme/run/executor.h"

namespace trireme::python {
namespace {

namespace py = pybind11;

void add_stat(std::map<std::string, uint64_t>& stats, const std::string& name,
              const run::HostAllocatorStats::Stat& stat) {
  stats[name + ".all.current"] = stat.current;
  stats[name + ".all.peak"] = stat.peak;
  stats[name + ".all.allocated"] = stat.allocated;
  stats[name + ".all.freed"] = stat.freed;
}

std::map<std::string, uint64_t> memory_stats() {
  const run::HostAllocatorStats stats = run::HostAllocator::instance().stats();
  std::map<std::string, uint64_t> result;
  add_stat(result, "allocated_bytes", stats.allocated_bytes);
  add_stat(result, "active_bytes", stats.allocated_bytes);
  add_stat(result, "requested_bytes", stats.allocated_bytes);
  add_stat(result, "reserved_bytes", stats.reserved_bytes);
  add_stat(result, "allocation", stats.allocations);
  add_stat(result, "active", stats.allocations);
  result["num_ooms"] = stats.ooms;
  result["num_alloc_retries"] = stats.purges;
  return result;
}

std::map<std::string, uint64_t> counters() {
  const record::Counters counters = record::recorder().counters();
  return {
      {"calls", counters.calls},
      {"cache_hits", counters.cache_hits},
      {"cache_misses", counters.cache_misses},
      {"awaited", counters.awaited},
      {"opaque", counters.opaque},
      {"waits", counters.waits},
      {"errors", counters.errors},
      {"forms", counters.forms},
      {"pending", counters.pending},
  };
}

// By op: how many calls agreed, differed, were opaque; the first difference; why opaque.
using Verified = std::tuple<uint64_t, uint64_t, uint64_t, std::string, std::string>;
std::map<std::string, Verified> verification() {
  std::map<std::string, Verified> result;
  for (auto& [op, seen] : run::verification_report()) {
    result[op] = {seen.agreed, seen.differed, seen.opaque, seen.difference, seen.opaque_for};
  }
  return result;
}

std::map<std::string, uint64_t> segments() {
  const run::SegmentCounters counters = run::segment_counters();
  std::map<std::string, uint64_t> result = {
      {"segments", counters.segments},
      {"followed", counters.followed},
      {"diverged", counters.diverged},
      {"calls_followed", counters.calls_followed},
      {"followed_symbolically", counters.followed_symbolically},
      {"longest_followed", counters.longest_followed},
      {"joined_asked", counters.joined_asked},
      {"programs_asked", counters.programs_asked},
      {"symbolic_asked", counters.symbolic_asked},
      {"programs_pending", counters.programs_pending},
      {"compiler_rested", counters.compiler_rested},
      {"cuts_interval", counters.cuts[0]},
      {"cuts_demand", counters.cuts[1]},
      {"cuts_step", counters.cuts[2]},
      {"cuts_foreign", counters.cuts[3]},
      {"cuts_full", counters.cuts[4]}};
  for (const auto& [why, times] : counters.left_for) result["left: " + why] = times;
  for (const auto& [why, times] : counters.refused) result["refused: " + why] = times;
  return result;
}

std::optional<std::string> shutdown(bool abandon) {
  std::optional<std::string> unseen;
  {
    const py::gil_scoped_release unlocked;
    run::stop_executor(abandon);
    finish_recording();
    if (const auto error = record::recorder().unreported_error()) {
      unseen = error->op + " at " + error->where + ": " + error->message;
    }
  }
  return unseen;
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  device::register_device();
  install_wait_hooks();
  install_call_sites();
  add_stream_bindings(m);

  // Wrapped as torch's own are: warnings and errors reach Python.
  m.def("synchronize",
        torch::wrap_pybind_function_no_gil([] { record::recorder().synchronize(); }));
  m.def("is_in_bad_fork", &run::in_bad_fork);
  m.def("memory_stats", &memory_stats);
  m.def("reset_peak_memory_stats", [] { run::HostAllocator::instance().reset_peak(); });
  m.def("reset_accumulated_memory_stats",
        [] { run::HostAllocator::instance().reset_accumulated(); });
  m.def("empty_cache", [] { run::HostAllocator::instance().empty_cache(); });
  m.def("set_memory_limit",
        [](std::optional<size_t> bytes) { run::HostAllocator::instance().set_limit(bytes); });
  m.def("memory_limit", [] { return run::HostAllocator::instance().limit(); });
  m.def("default_generator", [] { return device::default_generator(); });
  m.def("verification", &verification);
  m.def("segments", &segments);
  m.def("counters", &counters);
  m.def("prepare_thread", &device::prepare_thread,
        "Sets what PyTorch keeps for each thread as the device has it.");
  m.def("set_default_autocast_dtype", &device::set_default_autocast_dtype, py::arg("dtype"));
  m.def("learn_storage_slices", [](const py::object& slice) {
    record::learn_slices(*torch::createStorage(slice.ptr()).unsafeGetStorageImpl());
  });
  m.def("metadata_disagreements", &record::metadata_disagreements);
  m.def("shutdown", &shutdown, py::arg("abandon") = false,
        "Stops the executor; returns the text of an error that the program was never told of, or "
        "None.");
}

}  // namespace trireme::python
