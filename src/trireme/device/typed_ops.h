// SPDX-License-Identifier: Apache-2.0
// The ops that have typed kernels: those that programs issue most.
#pragma once

#include <torch/library.h>

#include <functional>
#include <string>
#include <unordered_map>

#include "trireme/record/op_info.h"

namespace trireme::device {

// Makes the kernel of one op.
using MakeKernel = std::function<torch::CppFunction(const record::OpInfo&)>;
// By full name: aten::add.Tensor.
using TypedOps = std::unordered_map<std::string, MakeKernel>;

// One function for each file that lists some.
void add_pointwise_ops(TypedOps& ops);
void add_reduction_ops(TypedOps& ops);
void add_matrix_ops(TypedOps& ops);
void add_foreach_ops(TypedOps& ops);

}  // namespace trireme::device
