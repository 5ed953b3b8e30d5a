// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/segment_shape.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <span>

#include "trireme/record/form_shape.h"

namespace trireme::run {

using record::shape_of;

namespace {

// What a form's words say of a value beside its arguments' skeleton: which type of number it is.
uint64_t type_of(const c10::IValue& value) {
  if (!value.isTensor()) return static_cast<uint64_t>(value.isDouble() ? 1 : value.isInt() ? 2 : 3);
  const at::Tensor& host = value.toTensor();
  if (!host.defined()) return 4;
  return 8 + static_cast<uint64_t>(host.scalar_type()) * 4 +
         (host.unsafeGetTensorImpl()->is_wrapped_number() ? 2 : 0) + (host.dim() == 0 ? 1 : 0);
}

}  // namespace

std::vector<int64_t> numbers_of(const SegmentLog& log) {
  std::vector<int64_t> numbers;
  for (const LoggedCall& call : log.calls()) {
    const auto& own = shape_of(*call.form).numbers;
    numbers.insert(numbers.end(), own.begin(), own.end());
    for (const LoggedTensor& tensor : call.tensors) numbers.push_back(tensor.offset);
  }
  for (const LoggedStorage& storage : log.storages()) {
    numbers.push_back(static_cast<int64_t>(storage.nbytes));
  }
  return numbers;
}

std::vector<NumberKind> kinds_of(const SegmentLog& log) {
  std::vector<NumberKind> kinds;
  for (const LoggedCall& call : log.calls()) {
    for (const bool is_size : shape_of(*call.form).is_size) {
      kinds.push_back(is_size ? NumberKind::Size : NumberKind::Other);
    }
    kinds.insert(kinds.end(), call.tensors.size(), NumberKind::Other);
  }
  kinds.insert(kinds.end(), log.storages().size(), NumberKind::Nbytes);
  return kinds;
}

base::Hash128 skeleton_of(const SegmentLog& log) {
  std::vector<uint64_t> words{log.calls().size()};
  for (const LoggedCall& call : log.calls()) {
    const base::Hash128& skeleton = shape_of(*call.form).skeleton;
    words.push_back(skeleton.first);
    words.push_back(skeleton.second);
    for (const LoggedTensor& tensor : call.tensors) words.push_back(tensor.storage);
    for (const LogId fresh : call.fresh) words.push_back(fresh);
    for (const c10::IValue& value : call.values) words.push_back(type_of(value));
  }
  for (const LoggedStorage& storage : log.storages()) words.push_back(storage.released ? 1 : 0);
  const auto bytes =
      std::span(reinterpret_cast<const uint8_t*>(words.data()), words.size() * sizeof(uint64_t));
  return base::siphash128(bytes, 0, 0);
}

bool alike_call(const SegmentLog& left, const SegmentLog& right, size_t index) {
  const LoggedCall& a = left.calls()[index];
  const LoggedCall& b = right.calls()[index];
  if (a.form != b.form) {
    if (shape_of(*a.form).skeleton != shape_of(*b.form).skeleton) return false;
    if (!std::ranges::equal(a.values, b.values, {}, type_of, type_of)) return false;
  }
  return a.fresh == b.fresh && std::ranges::equal(a.tensors, b.tensors, {}, &LoggedTensor::storage,
                                                  &LoggedTensor::storage);
}

}  // namespace trireme::run
