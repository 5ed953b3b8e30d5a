// SPDX-License-Identifier: Apache-2.0
// Output metadata of ops for which PyTorch has no C++ meta function, or one that takes more than
// the CPU kernel does. A rule is a function with the op's own signature, called with stand-ins
// (meta tensors); it answers for the plain cases, and throws Declined for the others, which are
// learned.
#pragma once

#include <ATen/core/Tensor.h>

#include <exception>
#include <string_view>
#include <unordered_map>

#include "trireme/record/meta_kernels.h"

namespace trireme::record {

using MetaTable = std::unordered_map<std::string_view, MetaKernel>;

class Declined : public std::exception {
 public:
  const char* what() const noexcept override { return "no rule for this call"; }
};

inline void require(bool condition) {
  if (!condition) throw Declined();
}

// A row-major tensor.
at::Tensor row_major(at::IntArrayRef sizes, at::ScalarType dtype);
// A tensor with the sizes of `tensor`, laid out as at::empty_like does; null: preserve.
at::Tensor like(const at::Tensor& tensor, at::ScalarType dtype,
                std::optional<at::MemoryFormat> format = {});
inline at::Tensor like(const at::Tensor& tensor) { return like(tensor, tensor.scalar_type()); }
// Row-major, and read as such by kernels that look for channels_last.
bool is_row_major(const at::Tensor& tensor);

// No two of its elements are known to share a place, which kernels that write refuse.
bool is_writable(const at::Tensor& tensor);

// The dtype can hold the number; kernels that fill refuse one that it cannot.
void require_fits(const at::Scalar& value, at::ScalarType dtype);

// Each adds its ops to the table.
void add_creation_rules(MetaTable& table);
void add_pointwise_rules(MetaTable& table);
void add_foreach_rules(MetaTable& table);
void add_indexing_rules(MetaTable& table);
void add_norm_rules(MetaTable& table);
void add_network_rules(MetaTable& table);
void add_recurrent_rules(MetaTable& table);

}  // namespace trireme::record
