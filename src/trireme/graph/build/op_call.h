// SPDX-License-Identifier: Apache-2.0
// One recorded call, as the op table sees it: an ATen overload and its arguments, with every tensor
// as a geometry over a numbered storage. Knows nothing of torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "trireme/graph/ir/dtype.h"
#include "trireme/graph/ir/extent.h"
#include "trireme/graph/ir/graph.h"
#include "trireme/graph/ir/number.h"

namespace trireme::graph {

using StorageId = uint32_t;
inline constexpr StorageId kNoStorage = UINT32_MAX;

// A tensor: where and how it lies in a storage. Sizes, strides and the offset count elements of
// `dtype`.
struct Tensor {
  StorageId storage = kNoStorage;  // none: an undefined tensor (None), unless `host` is set
  DType dtype = DType::Float32;
  Extents sizes;
  Extents strides;
  Extent offset = 0;
  bool conj = false;     // the elements are the conjugates of what lies in the storage
  bool neg = false;      // ... are the negatives
  bool wrapped = false;  // made of a Python number: a weaker part in type promotion
  // A CPU tensor with one element among device tensors: a scalar input of the graph.
  std::optional<Number> host;

  bool defined() const { return storage != kNoStorage || host.has_value(); }
  size_t rank() const { return sizes.size(); }
};

using None = std::monostate;

// The value of one argument. Ints and SymInts are Extents; dtypes are dtypes; devices, layouts,
// memory formats and generators are None: the geometry of the outputs tells what came of them.
using Argument = std::variant<None, Tensor, std::vector<Tensor>, Number, std::vector<Number>, bool,
                              std::vector<bool>, Extent, Extents, DType, std::string>;

struct OpCall {
  std::string name;  // aten::add.Tensor
  std::vector<Argument> args;
  // All tensors among the returns, lists laid flat: a new tensor, or the argument itself (in place
  // and out=).
  std::vector<Tensor> outputs;
  std::optional<uint32_t> random;          // which random input of the graph the call draws from
  DType default_dtype = DType::Float32;    // of Python floats
  std::shared_ptr<const OpaqueCall> call;  // to run it as recorded
  uint32_t number = 0;                     // which call of the segment it is
  std::vector<bool> written;               // by argument: whether the op writes it (in place, out=)
};

}  // namespace trireme::graph
