// SPDX-License-Identifier: Apache-2.0
// Addresses, loads and stores.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "trireme/compile/llvm/function_emitter.h"

namespace trireme::compile {
namespace {

// The largest constant stride that is loaded as whole vectors, and picked from: beyond it most of
// what is read is not wanted.
constexpr int64_t kMostPicked = 4;

// What is read once and is larger than the caches is asked for this far ahead: a processor's own
// prefetching ends with each page. Measured on an Intel with AMX, products of one row whose
// weights take 178 MB: 4 KiB 49, 8 KiB and more 50, without 42 GB/s; AdamW over 18 million
// parameters: 5 % less time.
constexpr int64_t kAhead = 8192;              // bytes
constexpr int64_t kLarge = int64_t{1} << 20;  // bytes

}  // namespace

// Code may be moved out of loops around it: what kernels write does not reach it.
llvm::Value* FunctionEmitter::argument(llvm::Type* type, Value* from, size_t bytes) {
  Value* at = b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), from, bytes);
  llvm::LoadInst* load = b_.CreateLoad(type, at);
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
  return load;
}

llvm::Value* FunctionEmitter::extent(const Extent& value) {
  Value* sum = b_.getInt64(static_cast<uint64_t>(value.constant_part()));
  for (const Extent::Term& term : value.terms()) {
    Value* product = b_.getInt64(static_cast<uint64_t>(term.coefficient));
    for (const graph::SymbolId symbol : term.symbols) {
      product = b_.CreateMul(
          product, argument(b_.getInt64Ty(), function_->getArg(2), symbol * sizeof(int64_t)));
    }
    sum = b_.CreateAdd(sum, product);
  }
  return sum;
}

llvm::Value* FunctionEmitter::lane_numbers(unsigned width) {
  std::vector<llvm::Constant*> numbers;
  for (unsigned i = 0; i < width; ++i) numbers.push_back(b_.getInt64(i));
  return llvm::ConstantVector::get(numbers);
}

llvm::Value* FunctionEmitter::all_lanes() {
  if (active_ != nullptr) return active_;
  return llvm::Constant::getAllOnesValue(llvm::FixedVectorType::get(b_.getInt1Ty(), width_));
}

llvm::Value* FunctionEmitter::index(const Index& at, bool lanes_too) {
  Value* sum = extent(at.offset);
  Extent along = 0;
  for (const LoopId loop : inside_) {  // outermost first, so that partial sums leave inner loops
    for (const Index::LoopTerm& term : at.loops) {
      if (term.loop != loop) continue;
      sum = b_.CreateAdd(sum, b_.CreateMul(loops_[loop], extent(term.stride)));
      if (vector_loop_ == loop) along += term.stride;
    }
  }
  if (lanes_too && !along.is(0)) {
    Value* moved = b_.CreateMul(lane_numbers(width_), scalars_.widen(extent(along), width_));
    sum = b_.CreateAdd(scalars_.widen(sum, width_), moved);
  }
  for (const Index::RegisterTerm& term : at.registers) {
    const Typed& moved = registers_[term.value];
    Value* value = scalars_.cast(moved, DType::Int64);
    const unsigned count = std::max(Scalars::lanes(value), Scalars::lanes(sum));
    value = b_.CreateMul(scalars_.widen(value, count), scalars_.widen(extent(term.stride), count));
    sum = b_.CreateAdd(scalars_.widen(sum, count), value);
  }
  return sum;
}

std::optional<Extent> FunctionEmitter::vector_stride(const Index& at) const {
  Extent stride = 0;
  for (const Index::LoopTerm& term : at.loops) {
    if (vector_loop_ == term.loop) stride += term.stride;
  }
  for (const Index::RegisterTerm& term : at.registers) {
    if (Scalars::lanes(registers_[term.value].value) > 1) return std::nullopt;
  }
  return stride;
}

DType FunctionEmitter::dtype_of(const Place& place) const {
  return place.kind == Place::Kind::Buffer ? kernel_.buffers[place.number].dtype
                                           : kernel_.scratch[place.number].dtype;
}

llvm::Type* FunctionEmitter::element_type(const Place& place) {
  return scalars_.memory_type(dtype_of(place));
}

llvm::Value* FunctionEmitter::base_of(const Place& place) {
  if (place.kind == Place::Kind::Buffer) return buffers_[place.number];
  return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), function_->getArg(3),
                                       scratch_offset(kernel_, place.number));
}

// By steps of one loop each, outermost first: what the inner loop leaves as it is can leave it.
llvm::Value* FunctionEmitter::pointer(const Place& place) {
  if (!place.index.registers.empty()) {
    return b_.CreateInBoundsGEP(element_type(place), base_of(place), index(place.index, false));
  }
  llvm::Type* type = element_type(place);
  Value* at = base_of(place);
  if (!place.index.offset.is(0)) at = b_.CreateInBoundsGEP(type, at, extent(place.index.offset));
  for (const LoopId loop : inside_) {
    for (const Index::LoopTerm& term : place.index.loops) {
      if (term.loop != loop) continue;
      Value* moved = b_.CreateMul(loops_[loop], extent(term.stride));
      at = b_.CreateInBoundsGEP(type, at, moved);
    }
  }
  return at;
}

llvm::Value* FunctionEmitter::pointers(const Place& place) {
  Value* elements = scalars_.widen(index(place.index, true), width_);
  return b_.CreateInBoundsGEP(element_type(place), base_of(place), elements);
}

// Every stride-th element of whole vectors. Nothing behind the last wanted one is read.
llvm::Value* FunctionEmitter::strided_load(const Place& place, int64_t stride, Value* mask) {
  llvm::Type* type = element_type(place);
  const llvm::Align align(graph::size_of(dtype_of(place)));
  const auto step = static_cast<unsigned>(stride);
  const unsigned all = width_ * step;
  auto* vector = llvm::FixedVectorType::get(type, all);
  Value* wanted = nullptr;
  if (mask == nullptr) {
    std::vector<llvm::Constant*> lanes;
    for (unsigned i = 0; i < all; ++i) lanes.push_back(b_.getInt1(i <= (width_ - 1) * step));
    wanted = llvm::ConstantVector::get(lanes);
  } else {
    std::vector<int> lanes;
    for (unsigned i = 0; i < all; ++i) {
      lanes.push_back(static_cast<int>(i % step == 0 ? i / step : width_));
    }
    wanted = b_.CreateShuffleVector(mask, llvm::Constant::getNullValue(mask->getType()), lanes);
  }
  Value* whole = b_.CreateMaskedLoad(vector, pointer(place), align, wanted,
                                     llvm::Constant::getNullValue(vector));
  std::vector<int> picked;
  for (unsigned i = 0; i < width_; ++i) picked.push_back(static_cast<int>(i * step));
  return b_.CreateShuffleVector(whole, picked);
}

std::optional<int64_t> FunctionEmitter::ahead(const Place& place) const {
  if (place.kind != Place::Kind::Buffer || active_ != nullptr || inside_.empty()) return {};
  if (!place.index.registers.empty()) return {};
  const auto size = static_cast<int64_t>(graph::size_of(dtype_of(place)));
  if (inside_.size() == 1) {
    const auto count = nest_.at(inside_[0])->count.constant();
    return count && *count * size >= kLarge ? std::optional(kAhead) : std::nullopt;
  }
  // The innermost two loops, and how far apart their trips read.
  const LoopId inner = inside_.back();
  const LoopId outer = inside_[inside_.size() - 2];
  const auto stride = [&](LoopId loop) -> std::optional<int64_t> {
    Extent sum = 0;
    for (const Index::LoopTerm& term : place.index.loops) {
      if (term.loop == loop) sum += term.stride;
    }
    return sum.constant();
  };
  const auto inner_count = nest_.at(inner)->count.constant();
  const auto outer_count = nest_.at(outer)->count.constant();
  const auto inner_stride = stride(inner);
  const auto outer_stride = stride(outer);
  if (!inner_count || !outer_count || !inner_stride || !outer_stride) return {};
  if (vector_loop_ == inner) {
    // rows, one behind the other
    if (*inner_stride != 1 || *outer_stride != *inner_count) return {};
    return *inner_count * *outer_count * size >= kLarge ? std::optional(kAhead) : std::nullopt;
  }
  // columns: the vector loop is outside
  if (*outer_stride != 1 || *inner_stride < *outer_count) return {};
  const int64_t row = *inner_stride * size;
  if (*inner_count * row < kLarge) return {};
  return std::max<int64_t>(2, kAhead / row) * row;
}

void FunctionEmitter::emit(const Load& load) {
  const DType dtype = dtype_of(load.from);
  llvm::Type* type = element_type(load.from);
  const auto stride = vector_stride(load.from.index);
  Value* mask = load.mask ? registers_[*load.mask].value : nullptr;
  const bool apart = mask != nullptr && Scalars::lanes(mask) > 1;
  const bool uniform = width_ == 1 || (stride && stride->is(0) && !apart);
  const llvm::Align align(graph::size_of(dtype));
  Value* value = nullptr;
  if (uniform && mask == nullptr) {
    value = b_.CreateAlignedLoad(type, pointer(load.from), align);
  } else if (uniform) {
    auto* one = llvm::FixedVectorType::get(type, 1);
    Value* held = Scalars::lanes(mask) == 1 && !mask->getType()->isVectorTy()
                      ? b_.CreateVectorSplat(1, mask)
                      : mask;
    value = b_.CreateMaskedLoad(one, pointer(load.from), align, held,
                                llvm::Constant::getNullValue(one));
    value = b_.CreateExtractElement(value, uint64_t{0});
  } else {
    auto* vector = llvm::FixedVectorType::get(type, width_);
    Value* some = active_;
    if (mask != nullptr) {
      some = scalars_.widen(mask, width_);
      if (active_ != nullptr) some = b_.CreateAnd(some, active_);
    }
    Value* nothing = llvm::Constant::getNullValue(vector);
    const auto step = stride ? stride->constant() : std::nullopt;
    if (step == 1) {
      Value* at = pointer(load.from);
      if (const auto distance = ahead(load.from)) {
        Value* far = b_.CreateConstGEP1_64(b_.getInt8Ty(), at, static_cast<uint64_t>(*distance));
        constexpr int kRead = 0, kSecondLevel = 2, kData = 1;
        b_.CreateIntrinsic(
            llvm::Intrinsic::prefetch, {far->getType()},
            {far, b_.getInt32(kRead), b_.getInt32(kSecondLevel), b_.getInt32(kData)});
      }
      value = some == nullptr ? static_cast<Value*>(b_.CreateAlignedLoad(vector, at, align))
                              : b_.CreateMaskedLoad(vector, at, align, some, nothing);
    } else if (step && *step > 1 && *step <= kMostPicked && shape_.masked) {
      value = strided_load(load.from, *step, some);
    } else {
      value = b_.CreateMaskedGather(vector, pointers(load.from), align,
                                    some == nullptr ? all_lanes() : some, nothing);
    }
  }
  registers_[load.to] = {scalars_.from_memory(value, dtype), dtype};
}

void FunctionEmitter::emit(const Store& store) {
  const DType dtype = dtype_of(store.to);
  Value* value = scalars_.store_form(registers_[store.value].value, dtype);
  const auto stride = vector_stride(store.to.index);
  const llvm::Align align(graph::size_of(dtype));
  Value* mask = store.mask ? registers_[*store.mask].value : nullptr;
  if (width_ == 1 && mask == nullptr) {
    b_.CreateAlignedStore(value, pointer(store.to), align);
    return;
  }
  const auto vector_of = [&](Value* one) {
    return one->getType()->isVectorTy() ? one : b_.CreateVectorSplat(width_, one);
  };
  value = vector_of(value);
  Value* some = active_;
  if (mask != nullptr) {
    some = vector_of(mask);
    if (active_ != nullptr) some = b_.CreateAnd(some, active_);
  }
  if (stride && (stride->is(1) || width_ == 1)) {
    if (some == nullptr) {
      b_.CreateAlignedStore(value, pointer(store.to), align);
    } else {
      b_.CreateMaskedStore(value, pointer(store.to), align, some);
    }
    return;
  }
  // lanes that meet are written in order
  b_.CreateMaskedScatter(value, pointers(store.to), align, some == nullptr ? all_lanes() : some);
}

}  // namespace trireme::compile
