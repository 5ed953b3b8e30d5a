// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/infer_outputs.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/Allocator.h>
#include <c10/core/StorageImpl.h>

#include <algorithm>
#include <mutex>
#include <sstream>
#include <unordered_map>

#include "trireme/base/env.h"
#include "trireme/record/meta_kernels.h"
#include "trireme/record/outputs.h"

namespace trireme::record {
namespace {

// Stands for the program's tensors: the same geometry and the same sharing of storages, no data.
class StandIns {
 public:
  StandIns(const CallForm& form, const Bindings& bindings) : form_(form), bindings_(bindings) {}

  // The argument with its tensors replaced.
  c10::IValue replace(const ArgSlot& slot, const c10::IValue& value) {
    switch (slot.kind) {
      case ArgSlot::Kind::Tensor:
        return next();
      case ArgSlot::Kind::TensorList: {
        if (!slot.optional_items) {
          c10::List<at::Tensor> list;
          for (const auto& item : slot.items) list.push_back(next(item).value_or(at::Tensor()));
          return list;
        }
        c10::List<std::optional<at::Tensor>> list;
        for (const auto& item : slot.items) list.push_back(next(item));
        return list;
      }
      case ArgSlot::Kind::Constant:
      case ArgSlot::Kind::HostTensor:
      case ArgSlot::Kind::Number:
      case ArgSlot::Kind::NumberList:
        return value;
    }
    return value;
  }

  std::vector<at::Tensor> take() { return std::move(tensors_); }

 private:
  std::optional<at::Tensor> next(const ArgSlot& item) {
    TORCH_CHECK(item.kind != ArgSlot::Kind::HostTensor, "no stand-in for a CPU tensor in a list");
    if (item.kind == ArgSlot::Kind::Tensor) return next();
    return std::nullopt;
  }

  at::Tensor next() {
    const size_t index = tensors_.size();
    const TensorRef& ref = bindings_.tensors[index];
    if (ref.storage == nullptr) return tensors_.emplace_back();
    const Geometry& geometry = form_.tensors[index];
    auto tensor = at::detail::make_tensor<c10::TensorImpl>(
        storage_for(ref.storage), c10::DispatchKeySet(c10::DispatchKey::Meta),
        c10::scalarTypeToTypeMeta(geometry.dtype));
    apply_geometry(geometry, ref.offset, *tensor.unsafeGetTensorImpl());
    return tensors_.emplace_back(std::move(tensor));
  }

  c10::Storage storage_for(const VirtualStorage* storage) {
    auto& made = storages_[storage];
    if (!made) {
      c10::Allocator* allocator = c10::GetAllocator(c10::DeviceType::Meta);
      made = c10::Storage(c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(),
                                                                storage->nbytes.load(),
                                                                allocator->allocate(0), allocator,
                                                                /*resizable=*/true));
    }
    return made;
  }

  const CallForm& form_;
  const Bindings& bindings_;
  std::vector<at::Tensor> tensors_;
  std::unordered_map<const VirtualStorage*, c10::Storage> storages_;
};

bool is_floating(c10::ScalarType dtype) {
  return dtype == c10::ScalarType::Float || dtype == c10::ScalarType::Double ||
         dtype == c10::ScalarType::BFloat16;
}

bool is_integral(c10::ScalarType dtype) {
  return dtype == c10::ScalarType::Long || dtype == c10::ScalarType::Bool;
}

// Rare and where meta functions differ from the CPU: other dtypes, lazy conj and neg, no elements.
bool is_plain(const Geometry& geometry) {
  if (geometry.conj || geometry.neg) return false;
  if (!is_floating(geometry.dtype) && !is_integral(geometry.dtype)) return false;
  const auto sizes = geometry.sizes();
  return std::find(sizes.begin(), sizes.end(), 0) == sizes.end();
}

bool accepts(Takes takes, const std::vector<Geometry>& tensors) {
  // A Python number is no tensor here, an undefined one has no dtype: both go with anything.
  const Geometry* first = nullptr;
  for (const Geometry& geometry : tensors) {
    if (geometry.dtype == c10::ScalarType::Undefined) continue;
    if (!is_plain(geometry)) return false;
    if (first == nullptr) first = &geometry;
    switch (takes) {
      case Takes::Any:
        break;
      case Takes::Integral:
        if (!is_integral(geometry.dtype)) return false;
        break;
      case Takes::Indexed:
        if (!is_floating(first->dtype)) return false;
        break;
      case Takes::Floating:
        if (!is_floating(first->dtype) || geometry.dtype != first->dtype) return false;
        break;
    }
  }
  return true;
}

void print(std::ostream& out, const Geometry& geometry) {
  out << c10::toString(geometry.dtype) << geometry.sizes() << " strides " << geometry.strides();
}

std::string describe(const CallForm& form) {
  std::ostringstream out;
  for (const OutputSlot& slot : form.outputs) {
    out << " {kind " << static_cast<int>(slot.kind) << " of " << slot.index << ": ";
    print(out, slot.geometry);
    out << '}';
  }
  for (const size_t nbytes : form.fresh_nbytes) out << " storage " << nbytes;
  out << " updates " << form.updates.size() << "; arguments";
  for (const Geometry& geometry : form.tensors) {
    out << " {";
    print(out, geometry);
    out << '}';
  }
  return out.str();
}

struct Disagreements {
  std::mutex mutex;
  std::vector<std::string> lines;
};

Disagreements& disagreements() {
  static auto* instance = new Disagreements;
  return *instance;
}

void disagree(std::string line) {
  Disagreements& kept = disagreements();
  const std::lock_guard lock(kept.mutex);
  kept.lines.push_back(std::move(line));
}

}  // namespace

MetadataMode metadata_mode() {
  static const MetadataMode mode = [] {
    const std::string text = base::env_string("TRIREME_METADATA").value_or("meta");
    if (text == "learn") return MetadataMode::Learn;
    if (text == "check") return MetadataMode::Check;
    TORCH_CHECK(text == "meta", "TRIREME_METADATA is \"", text,
                "\"; it may be \"meta\", \"learn\" or \"check\"");
    return MetadataMode::Meta;
  }();
  return mode;
}

bool infer_outputs(CallForm& form, c10::ArrayRef<c10::IValue> args, const Bindings& bindings) {
  const MetaKernel* kernel = meta_kernel(form.op->name);
  if (kernel == nullptr || !accepts(kernel->takes, form.tensors)) return false;
  Completion completion;
  try {
    const at::AutoDispatchBelowADInplaceOrView below;
    StandIns stand_ins(form, bindings);
    torch::jit::Stack stack;
    stack.reserve(args.size());
    for (size_t i = 0; i < args.size(); ++i)
      stack.push_back(stand_ins.replace(form.args[i], args[i]));
    kernel->function.callBoxed(form.op->handle, c10::DispatchKeySet(c10::DispatchKey::Meta),
                               &stack);
    completion.results = std::move(stack);
    completion.tensors = stand_ins.take();
  } catch (const std::exception&) {
    return false;  // the CPU kernel says what is wrong, in its own words
  }
  return learn_outputs(form, bindings, completion).strided;
}

void check_inferred(const CallForm& learned, c10::ArrayRef<c10::IValue> args,
                    const Bindings& bindings) {
  CallForm inferred = learned;
  if (!infer_outputs(inferred, args, bindings) || same_outputs(learned, inferred)) return;
  disagree(learned.op->name + ": learned" + describe(learned) + "; inferred" + describe(inferred));
}

std::vector<std::string> metadata_disagreements() {
  Disagreements& kept = disagreements();
  const std::lock_guard lock(kept.mutex);
  return kept.lines;
}

}  // namespace trireme::record
