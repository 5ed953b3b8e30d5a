// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/geometry.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/TensorImpl.h>

namespace trireme::record {

Geometry geometry_of(const c10::TensorImpl& tensor) {
  Geometry geometry;
  geometry.dims.set_sizes(tensor.sizes());
  geometry.dims.set_strides(tensor.strides());
  geometry.offset = tensor.storage_offset();
  geometry.dtype = c10::typeMetaToScalarType(tensor.dtype());
  geometry.conj = tensor.is_conj();
  geometry.neg = tensor.is_neg();
  geometry.wrapped_number = tensor.is_wrapped_number();
  return geometry;
}

void apply_geometry(const Geometry& geometry, int64_t offset, c10::TensorImpl& tensor) {
  tensor.set_sizes_and_strides(geometry.sizes(), geometry.strides(), offset);
  if (geometry.conj) tensor._set_conj(true);
  if (geometry.neg) tensor._set_neg(true);
  if (geometry.wrapped_number) tensor.set_wrapped_number(true);
}

size_t bytes_needed(const Geometry& geometry) {
  return at::detail::computeStorageNbytes(geometry.sizes(), geometry.strides(),
                                          c10::elementSize(geometry.dtype),
                                          static_cast<size_t>(geometry.offset));
}

}  // namespace trireme::record
