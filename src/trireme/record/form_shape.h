// SPDX-License-Identifier: Apache-2.0
// A form apart from its sizes, and its sizes: calls that differ only in the sizes of their tensors
// have forms of one skeleton.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trireme/base/siphash.h"
#include "trireme/record/call_form.h"

namespace trireme::record {

// The numbers, in this order: of each argument, items of lists in order, a constant's integers, or
// a tensor's sizes and then its strides; of each output over a fresh storage its sizes, its strides
// and its offset.
struct FormShape {
  // Of all that is no number: op, dtypes, ranks, flags, which outputs are which arguments. Sizes
  // and strides of 0 and 1 are a part of it, since they mean more than others (nothing,
  // broadcasting).
  base::Hash128 skeleton;
  std::vector<int64_t> numbers;
  std::vector<bool> is_size;  // by number: a tensor's size
};

// Of a complete form. Kept with it. Executor's thread only.
const FormShape& shape_of(const CallForm& form);

// Whether the argument's integers say what the call is (a dtype, a memory format), whatever the
// sizes: they are not among the numbers.
bool names_a_kind(const c10::Argument& argument);

}  // namespace trireme::record
