// SPDX-License-Identifier: Apache-2.0
// For the files that list typed ops.
#pragma once

#include <string>

#include "trireme/device/typed_kernel.h"
#include "trireme/device/typed_ops.h"

namespace trireme::device {

// `Op`: PyTorch's struct of an overload, at::_ops::add_Tensor.
template <class... Op>
void add_typed(TypedOps& ops) {
  (ops.emplace(std::string(Op::overload_name).empty()
                   ? std::string(Op::name)
                   : std::string(Op::name) + "." + Op::overload_name,
               [](const record::OpInfo& op) {
                 return torch::CppFunction(TypedKernel<typename Op::schema>(op));
               }),
   ...);
}

}  // namespace trireme::device
