// SPDX-License-Identifier: Apache-2.0
// How a tensor lies in its storage: all that a tensor is, without its data.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>
#include <c10/core/impl/SizesAndStrides.h>

#include <cstdint>

namespace trireme::record {

struct Geometry {
  c10::impl::SizesAndStrides dims;  // sizes and strides, in elements
  int64_t offset = 0;               // storage offset, in elements
  c10::ScalarType dtype = c10::ScalarType::Undefined;
  bool conj = false;
  bool neg = false;
  bool wrapped_number = false;  // a Python number: a weaker part in type promotion

  c10::IntArrayRef sizes() const { return dims.sizes_arrayref(); }
  c10::IntArrayRef strides() const { return dims.strides_arrayref(); }

  // Everything but the offset, which may differ from call to call.
  bool same_layout(const Geometry& other) const {
    return dtype == other.dtype && conj == other.conj && neg == other.neg && dims == other.dims;
  }
};

// Reads the geometry of a strided tensor.
Geometry geometry_of(const c10::TensorImpl& tensor);

// Gives `tensor` this geometry (its dtype must already agree).
void apply_geometry(const Geometry& geometry, int64_t offset, c10::TensorImpl& tensor);

// Bytes a storage needs to hold a tensor of this geometry.
size_t bytes_needed(const Geometry& geometry);

}  // namespace trireme::record
