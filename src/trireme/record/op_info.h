// SPDX-License-Identifier: Apache-2.0
// What the recorder must know of an ATen overload, read once from its schema and tags.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace trireme::record {

// How a call of the op is recorded.
enum class Route : uint8_t {
  Cached,   // output metadata depends on input metadata only: appended, the program goes on
  Awaited,  // it depends on data (nonzero), or a value is returned (equal): the program waits for
            // the call
  Opaque,   // a kernel Trireme knows nothing of (a custom op): run on the program's thread once all
            // before it has run
};

enum class ArgKind : uint8_t {
  Tensor,      // Tensor or Tensor?
  TensorList,  // Tensor[] or Tensor?[]
  Number,      // Scalar or float: an input of the call, not a part of what the call is
  NumberList,  // Scalar[] or float[]
  Generator,
  Constant,  // ints, bools, strings, dtypes, devices, ...
};

struct ArgInfo {
  ArgKind kind = ArgKind::Constant;
  bool written = false;  // Tensor(a!)
  bool host = false;     // may be a CPU tensor of any dimension beside device tensors, as on CUDA
};

struct ReturnInfo {
  enum class Kind : uint8_t { Tensor, TensorList, Other };
  Kind kind = Kind::Other;
  int aliased_arg = -1;  // index of the argument it is (Tensor(a!)), or -1
};

struct OpInfo {
  c10::OperatorHandle handle;
  std::string name{};  // aten::add.Tensor
  uint32_t id = 0;     // small and unique in the process
  std::vector<ArgInfo> args{};
  std::vector<ReturnInfo> returns{};
  Route route = Route::Cached;
  bool random = false;            // draws from the device's generator
  bool value_keyed = false;       // numbers decide output metadata or validity: keyed by value
  bool indexes = false;           // takes index tensors: index, index_put
  bool masks_decide = false;      // with a mask among the indices, output metadata depends on data
  bool overwrites_first = false;  // zero_, fill_: the first argument's old values do not matter
};

// The description of an op; made on first use, never freed. Thread-safe.
const OpInfo& op_info(const c10::OperatorHandle& handle);

// All descriptions made so far.
std::vector<const OpInfo*> known_ops();

}  // namespace trireme::record
