// SPDX-License-Identifier: Apache-2.0
// Copies: between device tensors they are recorded; into the device the data is taken at once; out
// of it the program waits.
#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_local_scalar_dense.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/copy.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include "trireme/base/copy_bytes.h"
#include "trireme/device/opaque.h"
#include "trireme/record/device_tensor.h"
#include "trireme/record/openmp_team.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/c10_adapter.h"
#include "trireme/run/reference_executor.h"

namespace trireme::device {
namespace {

// So much data for a pending storage is staged in the device's memory; less goes with the call. The
// C library's allocator keeps what one thread takes and another gives back.
constexpr size_t kStaged = size_t{64} << 10U;

bool on_device(const at::Tensor& tensor) {
  return tensor.device().type() == c10::DeviceType::PrivateUse1;
}

void record_copy(at::Tensor& self, const at::Tensor& src, bool non_blocking) {
  static const record::OpInfo& op =
      record::op_info(c10::Dispatcher::singleton().findSchemaOrThrow("aten::copy_", ""));
  torch::jit::Stack stack{self, src, non_blocking};
  record::recorder().record(op, &stack);
}

void copy_memory(const at::Tensor& to, const at::Tensor& from) {
  const bool plain = to.scalar_type() == from.scalar_type() && to.sizes() == from.sizes() &&
                     to.is_contiguous() && from.is_contiguous() && to.is_conj() == from.is_conj() &&
                     to.is_neg() == from.is_neg();
  if (plain) {
    if (to.nbytes() == 0) return;
    // Where the executor is at work, another thread would only take a core from it.
    const record::CallQueue& queue = record::recorder().queue();
    const bool idle = queue.executed() == queue.appended();
    base::copy_bytes(to.mutable_data_ptr(), from.const_data_ptr(), to.nbytes(), idle);
    return;
  }
  const at::AutoDispatchBelowADInplaceOrView below;
  to.copy_(from);
}

// The data as a device tensor of its own.
at::Tensor stage(const at::Tensor& src) {
  record::Recorder& recorder = record::recorder();
  recorder.hold_ahead(src.nbytes(), recorder.queue().appended() + 1);
  const run::HostAllocatorScope memory;
  const at::AutoDispatchBelowADInplaceOrView below;
  if (!src.is_contiguous() || src.is_conj() || src.is_neg())
    return recorder.adopt_dense(src.clone());
  // Not clone(): it would start a team of threads beside the executor's.
  const at::Tensor copy = at::empty_like(src);
  copy_memory(copy, src);
  return recorder.adopt_dense(copy);
}

void copy_in(at::Tensor& self, const at::Tensor& src, bool non_blocking) {
  const at::Tensor source = src.expand_as(self);
  record::Recorder& recorder = record::recorder();
  recorder.hooks().ensure_running();
  record::VirtualStorage& storage = record::require_storage(*self.unsafeGetTensorImpl());
  // Not whether a call is pending: the stream must not depend on how far the executor is.
  const bool used = storage.last_use.load(std::memory_order_relaxed) != 0;
  const size_t nbytes = static_cast<size_t>(src.numel()) * src.element_size();
  // More bytes are not kept aside: the program waits instead.
  if (used && nbytes <= record::BytesAhead::kLimit && src.layout() == at::kStrided) {
    record_copy(self, nbytes < kStaged ? source : stage(src).expand_as(self), non_blocking);
    return;
  }
  at::assert_no_internal_overlap(self);
  recorder.wait_for_use(storage);
  if (!storage.memory) recorder.hold_ahead(storage.nbytes, recorder.queue().appended());
  const run::HostAllocatorScope memory;
  const record::Geometry geometry = record::geometry_of(*self.unsafeGetTensorImpl());
  const at::Tensor target = run::host_tensor(storage, geometry, geometry.offset);
  copy_memory(target, source);
  storage.version = 0;
  if (recorder.observed()) {
    const record::SiteId site = record::current_site();  // before the lock: it may need the GIL
    recorder.tell([&](record::Observer& observer) {
      observer.entered(storage, geometry, geometry.offset, target, site);
    });
  }
  if (target.nbytes() >= storage.nbytes) storage.error.reset();
}

at::Tensor& copy_(at::Tensor& self, const at::Tensor& src, bool non_blocking) {
  if (self.is_same(src)) return self;
  TORCH_CHECK(self.layout() == at::kStrided || src.layout() == self.layout(),
              "copy_() between dense and ", src.layout(),
              " tensors is not supported. Found self type = ", self.toString(),
              " and src type = ", src.toString());
  TORCH_CHECK(!src.is_meta(), "Cannot copy out of meta tensor; no data!");
  if (on_device(self) && on_device(src)) {
    record_copy(self, src, non_blocking);
  } else if (on_device(self)) {
    copy_in(self, src, non_blocking);
    record::release_openmp_team();
  } else {
    copy_memory(self, to_host(src).expand_as(self));
    record::release_openmp_team();
  }
  return self;
}

at::Tensor copy_from(const at::Tensor& self, const at::Tensor& dst, bool non_blocking) {
  at::Tensor target = dst;
  return copy_(target, self, non_blocking);
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& dst) {
  at::Tensor target = dst;
  target.resize_(self.sizes());
  return copy_(target, self, false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  return at::_local_scalar_dense(to_host(self));
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("copy_", TORCH_FN(copy_));
  m.impl("_copy_from", TORCH_FN(copy_from));
  m.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  m.impl("_local_scalar_dense", TORCH_FN(local_scalar_dense));
}

}  // namespace
}  // namespace trireme::device
