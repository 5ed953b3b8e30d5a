// SPDX-License-Identifier: Apache-2.0
// PyTorch's own C++ functions that compute a call's output metadata without its data.
#pragma once

#include <ATen/core/boxing/KernelFunction.h>

#include <string_view>

namespace trireme::record {

// For which tensor arguments a meta function is asked. It takes every dtype; the CPU's kernel does
// not, and an error of dtype belongs to the call.
enum class Takes : uint8_t {
  Floating,  // all of one floating dtype
  Indexed,   // the first floating, the others as they like
  Integral,  // int64 and bool
  Any,
};

struct MetaKernel {
  c10::KernelFunction function;
  Takes takes = Takes::Floating;
};

// The meta function of an op ("aten::add.Tensor"), or null: then its metadata has to be learned
// from the CPU kernel. Only ops whose meta function agrees with the CPU kernel are here; the tests
// hold them to it over PyTorch's op_db (TRIREME_METADATA=check).
const MetaKernel* meta_kernel(std::string_view op);

}  // namespace trireme::record
