// SPDX-License-Identifier: Apache-2.0
// CPU tensors over memory that somebody else owns.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <span>

#include "trireme/record/geometry.h"

namespace trireme::run {

// The tensor of this geometry in `bytes`, which must outlive it. `offset` in elements.
at::Tensor host_view(std::span<std::byte> bytes, const record::Geometry& geometry, int64_t offset);

}  // namespace trireme::run
