// SPDX-License-Identifier: Apache-2.0
// Which line of the program issues a call, read from the interpreter's frames.
#include <Python.h>
#define Py_BUILD_CORE 1
#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include <internal/pycore_frame.h>
#define TRIREME_INTERNAL_FRAMES 1
#endif
#undef Py_BUILD_CORE

#include <c10/util/flat_hash_map.h>

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "trireme/python/bindings.h"
#include "trireme/record/call_site.h"

namespace trireme::python {
namespace {

using record::SiteId;

struct Site {
  PyCodeObject* code;  // a reference is kept
  int instruction;     // byte offset in the code
};

struct Key {
  const PyCodeObject* code = nullptr;
  int instruction = 0;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    return ((reinterpret_cast<uintptr_t>(key.code) >> 4U) + static_cast<size_t>(key.instruction)) *
           0x9e3779b97f4a7c15ULL;
  }
};

// Sites of all threads; each thread keeps a table of its own in front.
struct SiteTable {
  std::mutex mutex;
  ska::flat_hash_map<Key, SiteId, KeyHash> ids;
  std::deque<Site> sites;  // sites[id - 1]

  SiteId intern(const Key& key) {
    // The code object must outlive its address in the tables; taking a reference needs the GIL, and
    // that must be had before the lock.
    const PyGILState_STATE gil = PyGILState_Ensure();
    Py_INCREF(const_cast<PyCodeObject*>(key.code));
    PyGILState_Release(gil);
    const std::lock_guard lock(mutex);
    const auto [known, fresh] = ids.emplace(key, static_cast<SiteId>(sites.size() + 1));
    if (fresh) sites.push_back({const_cast<PyCodeObject*>(key.code), key.instruction});
    return known->second;
  }
};

SiteTable& table() {
  static auto* instance = new SiteTable;  // never freed: described while the process exits
  return *instance;
}

// Whether a file is PyTorch's own or Trireme's: the line the user wants is the one that called it.
bool is_library_file(PyObject* filename) {
  Py_ssize_t length = 0;
  const char* text = PyUnicode_AsUTF8AndSize(filename, &length);
  if (text == nullptr) return true;
  const std::string_view path(text, static_cast<size_t>(length));
  return path.find("/site-packages/torch/") != std::string_view::npos ||
         path.find("/dist-packages/torch/") != std::string_view::npos ||
         path.find("/python/trireme/") != std::string_view::npos ||
         path.find("/site-packages/trireme/") != std::string_view::npos ||
         path.starts_with("<frozen");
}

// A small table in front of the maps, one per thread: a slot for each hash, the latest wins.
template <class Key, class Value>
struct Recent {
  struct Slot {
    Key key{};
    Value value{};
  };
  Slot& at(size_t hash) { return slots[hash % slots.size()]; }
  std::array<Slot, 256> slots{};
};

struct ThreadTables {
  Recent<const PyObject*, bool> recent_files;
  Recent<Key, SiteId> recent_sites;
  ska::flat_hash_map<const PyObject*, bool> files;  // by file name object
  ska::flat_hash_map<Key, SiteId, KeyHash> sites;
};

thread_local constinit ThreadTables* t_tables = nullptr;

struct OwnedTables {
  OwnedTables() : tables(std::make_unique<ThreadTables>()) { t_tables = tables.get(); }
  ~OwnedTables() { t_tables = nullptr; }
  OwnedTables(const OwnedTables&) = delete;
  OwnedTables& operator=(const OwnedTables&) = delete;
  std::unique_ptr<ThreadTables> tables;
};

// Null while the thread's own objects are being destroyed.
ThreadTables* tables() {
  if (t_tables == nullptr) [[unlikely]] {
    thread_local const OwnedTables owned;
  }
  return t_tables;
}

bool is_library_code(const PyCodeObject* code, ThreadTables& known) {
  const PyObject* file = code->co_filename;
  auto& recent = known.recent_files.at(reinterpret_cast<uintptr_t>(file) >> 5U);
  if (recent.key == file) return recent.value;
  auto found = known.files.find(file);
  if (found == known.files.end()) {
    const PyGILState_STATE gil = PyGILState_Ensure();
    Py_INCREF(code->co_filename);  // keeps the address from being used again
    found = known.files.emplace(file, is_library_file(code->co_filename)).first;
    PyGILState_Release(gil);
  }
  recent = {file, found->second};
  return found->second;
}

#ifdef TRIREME_INTERNAL_FRAMES
// The frames of the calling thread cannot change while it is in here, GIL or not.
Key current_line(ThreadTables& known) {
  const PyThreadState* thread = PyGILState_GetThisThreadState();
  if (thread == nullptr || thread->cframe == nullptr) return {nullptr, 0};
  Key outermost{nullptr, 0};
  for (const _PyInterpreterFrame* frame = thread->cframe->current_frame; frame != nullptr;
       frame = frame->previous) {
    const PyCodeObject* code = frame->f_code;
    const auto at = static_cast<int>(frame->prev_instr - _PyCode_CODE(code)) *
                    static_cast<int>(sizeof(_Py_CODEUNIT));
    if (!is_library_code(code, known)) return {code, at};
    outermost = {code, at};
  }
  return outermost;
}
#else
// Other versions of Python: through the public interface, which needs the GIL.
Key current_line(ThreadTables& known) {
  PyThreadState* thread = PyGILState_GetThisThreadState();
  if (thread == nullptr) return {nullptr, 0};
  const PyGILState_STATE gil = PyGILState_Ensure();
  Key found{nullptr, 0};
  PyFrameObject* frame = PyThreadState_GetFrame(thread);
  while (frame != nullptr) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    found = {code, PyFrame_GetLasti(frame)};
    const bool library = is_library_code(code, known);
    Py_DECREF(code);
    PyFrameObject* back = library ? PyFrame_GetBack(frame) : nullptr;
    Py_DECREF(frame);
    frame = back;
  }
  PyGILState_Release(gil);
  return found;
}
#endif

SiteId current() {
  if (Py_IsInitialized() == 0) return record::kUnknownSite;
  ThreadTables* known = tables();
  if (known == nullptr) return record::kUnknownSite;
  const Key key = current_line(*known);
  if (key.code == nullptr) return record::kUnknownSite;
  auto& recent = known->recent_sites.at(KeyHash{}(key) >> 16U);
  if (recent.key == key) return recent.value;
  auto found = known->sites.find(key);
  if (found == known->sites.end()) found = known->sites.emplace(key, table().intern(key)).first;
  recent = {key, found->second};
  return found->second;
}

std::string describe(SiteId id) {
  Site site{};
  {
    SiteTable& sites = table();
    const std::lock_guard lock(sites.mutex);
    if (id == 0 || id > sites.sites.size()) return "unknown line";
    site = sites.sites[id - 1];
  }
  // Both are read from an immutable object that is never freed.
  const int line = PyCode_Addr2Line(site.code, site.instruction);
  const auto* name = static_cast<const char*>(PyUnicode_DATA(site.code->co_filename));
  return std::string(name, static_cast<size_t>(PyUnicode_GET_LENGTH(site.code->co_filename))) +
         ":" + std::to_string(line);
}

}  // namespace

void install_call_sites() { record::set_site_provider({&current, &describe}); }

}  // namespace trireme::python
