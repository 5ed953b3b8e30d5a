// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/emitter.h"

#include <llvm/IR/Intrinsics.h>

#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "trireme/compile/llvm/reductions.h"
#include "trireme/compile/llvm/scalars.h"

namespace trireme::compile {

using llvm::Value;

namespace {

constexpr unsigned kUnroll = 4;  // vector accumulators of a reduction: hides the add's latency

class Emitter {
 public:
  Emitter(const Kernel& kernel, llvm::Module& module, unsigned lanes);
  void run();

 private:
  // One accumulator: states in memory that SROA turns into registers.
  struct Slots {
    using State = std::vector<llvm::AllocaInst*>;
    ReduceOp op{};
    DType dtype{};
    unsigned width = 1;            // of the place of its declaration
    State own;                     // as wide
    std::vector<State> vectors{};  // of a vector loop inside, one per copy of its body
  };

  Value* extent(const Extent& value);
  Value* index(const Index& at, bool lanes_too);
  // The stride along the vector loop; none: a register moves the lanes apart.
  std::optional<Extent> vector_stride(const Index& at) const;
  llvm::Type* element_type(const Place& place);
  DType dtype_of(const Place& place) const;
  Value* pointer(const Place& place, Value* element);

  void emit(const Statement& statement);
  void emit(const Compute& compute);
  void emit(const Load& load);
  void emit(const Store& store);
  void emit(const Declare& declare);
  void emit(const Update& update);
  void emit(const Read& read);
  void emit(const Loop& loop, Value* low, Value* high);
  // Points [low, ...) in whole steps of width * copies; returns where it ended.
  Value* segment(const Loop& loop, Value* low, Value* high, unsigned width, unsigned copies);
  bool updates_outer(const std::vector<Statement>& body, std::set<AccumulatorId> inner) const;

  Slots::State make_state(Reduction& reduction, unsigned width);
  Reduction::State load_state(const Slots::State& slots);
  void store_state(const Slots::State& slots, const Reduction::State& state);
  Value* lane_numbers(unsigned width);

  const Kernel& kernel_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> b_;
  Scalars scalars_;
  unsigned lanes_;
  llvm::Function* function_;
  std::vector<Typed> registers_;
  std::vector<Value*> loops_;
  std::map<AccumulatorId, Slots> accumulators_;
  std::set<AccumulatorId> in_vectors_;
  std::vector<Value*> buffers_;
  unsigned width_ = 1;
  unsigned copy_ = 0;
  std::optional<LoopId> vector_loop_;
};

Emitter::Emitter(const Kernel& kernel, llvm::Module& module, unsigned lanes)
    : kernel_(kernel),
      context_(module.getContext()),
      b_(context_),
      scalars_(b_),
      lanes_(lanes),
      registers_(kernel.registers),
      loops_(kernel.loops) {
  llvm::Type* pointer = b_.getPtrTy();
  llvm::Type* number = b_.getInt64Ty();
  auto* type = llvm::FunctionType::get(b_.getVoidTy(),
                                       {pointer, pointer, pointer, pointer, number, number}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, kernel.name, module);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  const std::string bits = std::to_string(lanes * 32);
  function_->addFnAttr("prefer-vector-width", bits);
  function_->addFnAttr("min-legal-vector-width", bits);
  b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", function_));
  for (size_t i = 0; i < kernel.buffers.size(); ++i) {
    Value* at = b_.CreateConstInBoundsGEP1_64(pointer, function_->getArg(0), i);
    buffers_.push_back(b_.CreateLoad(pointer, at));
  }
}

void Emitter::run() {
  Value* begin = function_->getArg(4);
  Value* end = function_->getArg(5);
  Value* base = b_.getInt64(0);
  const auto clamp = [&](Value* at, Value* count) {
    at = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b_.CreateSub(at, base), b_.getInt64(0));
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, at, count);
  };
  for (const Loop& loop : kernel_.body) {
    Value* count = extent(loop.count);
    emit(loop, clamp(begin, count), clamp(end, count));
    base = b_.CreateAdd(base, count);
  }
  b_.CreateRetVoid();
}

Value* Emitter::extent(const Extent& value) {
  Value* sum = b_.getInt64(static_cast<uint64_t>(value.constant_part()));
  for (const Extent::Term& term : value.terms()) {
    Value* product = b_.getInt64(static_cast<uint64_t>(term.coefficient));
    for (const graph::SymbolId symbol : term.symbols) {
      Value* at = b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), function_->getArg(2), symbol);
      product = b_.CreateMul(product, b_.CreateLoad(b_.getInt64Ty(), at));
    }
    sum = b_.CreateAdd(sum, product);
  }
  return sum;
}

Value* Emitter::lane_numbers(unsigned width) {
  std::vector<llvm::Constant*> numbers;
  for (unsigned i = 0; i < width; ++i) numbers.push_back(b_.getInt64(i));
  return llvm::ConstantVector::get(numbers);
}

// Of the first lane; or of all, as a vector.
Value* Emitter::index(const Index& at, bool lanes_too) {
  Value* sum = extent(at.offset);
  Extent along = 0;
  for (const Index::LoopTerm& term : at.loops) {
    sum = b_.CreateAdd(sum, b_.CreateMul(loops_[term.loop], extent(term.stride)));
    if (vector_loop_ == term.loop) along += term.stride;
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

std::optional<Extent> Emitter::vector_stride(const Index& at) const {
  Extent stride = 0;
  for (const Index::LoopTerm& term : at.loops) {
    if (vector_loop_ == term.loop) stride += term.stride;
  }
  for (const Index::RegisterTerm& term : at.registers) {
    if (Scalars::lanes(registers_[term.value].value) > 1) return std::nullopt;
  }
  return stride;
}

DType Emitter::dtype_of(const Place& place) const {
  return place.kind == Place::Kind::Buffer ? kernel_.buffers[place.number].dtype
                                           : kernel_.scratch[place.number].dtype;
}

llvm::Type* Emitter::element_type(const Place& place) {
  return scalars_.memory_type(dtype_of(place));
}

Value* Emitter::pointer(const Place& place, Value* element) {
  Value* base = place.kind == Place::Kind::Buffer
                    ? buffers_[place.number]
                    : b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), function_->getArg(3),
                                                    scratch_offset(kernel_, place.number));
  return b_.CreateInBoundsGEP(element_type(place), base, element);
}

void Emitter::emit(const Compute& compute) {
  Typed& to = registers_[compute.to];
  llvm::Type* type = scalars_.type(compute.dtype);
  if (compute.op == ScalarOp::Constant) {
    to = {graph::is_integral(compute.dtype)
              ? static_cast<Value*>(
                    llvm::ConstantInt::get(type, static_cast<uint64_t>(compute.integer), true))
              : scalars_.cast(
                    {llvm::ConstantFP::get(b_.getDoubleTy(), compute.value), DType::Float64},
                    compute.dtype),
          compute.dtype};
    return;
  }
  if (compute.op == ScalarOp::Number) {
    const DType from = kernel_.numbers[compute.index];
    const bool real = from == DType::Float64;
    Value* at = b_.CreateConstInBoundsGEP1_64(
        b_.getInt8Ty(), function_->getArg(1),
        compute.index * sizeof(ScalarArg) +
            (real ? offsetof(ScalarArg, real) : offsetof(ScalarArg, integer)));
    Value* value = b_.CreateLoad(real ? b_.getDoubleTy() : b_.getInt64Ty(), at);
    to = {scalars_.cast({value, real ? DType::Float64 : DType::Int64}, compute.dtype),
          compute.dtype};
    return;
  }
  std::array<Typed, 3> args{};
  for (size_t i = 0; i < std::min(args.size(), graph::arity(compute.op)); ++i)
    args[i] = registers_[compute.args[i]];
  to = {scalars_.apply(compute.op, compute.dtype, args), compute.dtype};
}

void Emitter::emit(const Load& load) {
  const DType dtype = dtype_of(load.from);
  llvm::Type* type = element_type(load.from);
  const auto stride = vector_stride(load.from.index);
  const bool uniform = width_ == 1 || (stride && stride->is(0));
  Value* mask = load.mask ? registers_[*load.mask].value : nullptr;
  const bool apart = mask != nullptr && Scalars::lanes(mask) > 1;
  const llvm::Align align(graph::size_of(dtype));
  Value* value = nullptr;
  if (uniform && !apart) {
    Value* at = pointer(load.from, index(load.from.index, false));
    if (mask != nullptr) {  // one lane: from a place that can be read in any case
      auto* one = llvm::FixedVectorType::get(type, 1);
      value = b_.CreateMaskedLoad(
          one, at, align, scalars_.widen(mask, 1) == mask ? b_.CreateVectorSplat(1, mask) : mask,
          llvm::Constant::getNullValue(one));
      value = b_.CreateExtractElement(value, uint64_t{0});
    } else {
      value = b_.CreateAlignedLoad(type, at, align);
    }
  } else {
    auto* vector = llvm::FixedVectorType::get(type, width_);
    Value* wide =
        mask == nullptr
            ? llvm::Constant::getAllOnesValue(llvm::FixedVectorType::get(b_.getInt1Ty(), width_))
            : scalars_.widen(mask, width_);
    Value* nothing = llvm::Constant::getNullValue(vector);
    if (stride && stride->is(1)) {
      Value* at = pointer(load.from, index(load.from.index, false));
      value = mask == nullptr ? static_cast<Value*>(b_.CreateAlignedLoad(vector, at, align))
                              : b_.CreateMaskedLoad(vector, at, align, wide, nothing);
    } else {
      Value* elements = scalars_.widen(index(load.from.index, true), width_);
      value = b_.CreateMaskedGather(vector, pointer(load.from, elements), align, wide, nothing);
    }
  }
  registers_[load.to] = {scalars_.from_memory(value, dtype), dtype};
}

void Emitter::emit(const Store& store) {
  const DType dtype = dtype_of(store.to);
  Value* value = scalars_.to_memory(registers_[store.value].value, dtype);
  const auto stride = vector_stride(store.to.index);
  const llvm::Align align(graph::size_of(dtype));
  Value* mask = store.mask ? registers_[*store.mask].value : nullptr;
  if (width_ == 1 && mask == nullptr) {
    b_.CreateAlignedStore(value, pointer(store.to, index(store.to.index, false)), align);
    return;
  }
  const auto vector_of = [&](Value* one) {
    return Scalars::lanes(one) == width_ && width_ > 1 ? one : b_.CreateVectorSplat(width_, one);
  };
  value = vector_of(value);
  Value* wide = vector_of(mask == nullptr ? b_.getTrue() : mask);
  if (stride && (stride->is(1) || width_ == 1)) {
    Value* at = pointer(store.to, index(store.to.index, false));
    if (mask == nullptr) {
      b_.CreateAlignedStore(value, at, align);
    } else {
      b_.CreateMaskedStore(value, at, align, wide);
    }
    return;
  }
  // lanes that meet are written in order
  Value* elements = scalars_.widen(index(store.to.index, true), width_);
  b_.CreateMaskedScatter(value, pointer(store.to, elements), align, wide);
}

Emitter::Slots::State Emitter::make_state(Reduction& reduction, unsigned width) {
  Slots::State state;
  llvm::BasicBlock& entry = function_->getEntryBlock();
  llvm::IRBuilder<> top(&entry, entry.begin());
  for (llvm::Constant* start : reduction.empty()) {
    llvm::Constant* wide =
        width == 1 ? start
                   : llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(width), start);
    state.push_back(top.CreateAlloca(wide->getType()));
    b_.CreateStore(wide, state.back());
  }
  return state;
}

Reduction::State Emitter::load_state(const Slots::State& slots) {
  Reduction::State state;
  for (llvm::AllocaInst* slot : slots) {
    state.push_back(b_.CreateLoad(slot->getAllocatedType(), slot));
  }
  return state;
}

void Emitter::store_state(const Slots::State& slots, const Reduction::State& state) {
  for (size_t i = 0; i < slots.size(); ++i) b_.CreateStore(state[i], slots[i]);
}

void Emitter::emit(const Declare& declare) {
  Reduction reduction(b_, declare.op, declare.dtype);
  Slots slots{declare.op, declare.dtype, width_, make_state(reduction, width_)};
  if (width_ == 1 && in_vectors_.contains(declare.accumulator)) {
    for (unsigned i = 0; i < kUnroll; ++i) {
      slots.vectors.push_back(make_state(reduction, lanes_));
    }
  }
  accumulators_[declare.accumulator] = std::move(slots);
}

void Emitter::emit(const Update& update) {
  const Slots& slots = accumulators_.at(update.accumulator);
  Reduction reduction(b_, slots.op, slots.dtype);
  const auto& to = slots.width == width_ ? slots.own : slots.vectors.at(copy_);
  Value* position = update.position ? registers_[*update.position].value : nullptr;
  store_state(to, reduction.with(load_state(to), registers_[update.value].value, position));
}

// Copies pairwise, then halves of the lanes, then what remained.
void Emitter::emit(const Read& read) {
  const Slots& slots = accumulators_.at(read.accumulator);
  Reduction reduction(b_, slots.op, slots.dtype);
  Reduction::State total = load_state(slots.own);
  if (!slots.vectors.empty()) {
    std::vector<Reduction::State> states;
    for (const Slots::State& slot : slots.vectors) states.push_back(load_state(slot));
    for (size_t half = states.size() / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) states[i] = reduction.combine(states[i], states[i + half]);
    }
    for (unsigned half = lanes_ / 2; half > 0; half /= 2) {
      std::vector<int> low(half);
      std::vector<int> high(half);
      std::iota(low.begin(), low.end(), 0);
      std::iota(high.begin(), high.end(), static_cast<int>(half));
      Reduction::State a;
      Reduction::State b;
      for (Value* part : states[0]) {
        a.push_back(half == 1 ? b_.CreateExtractElement(part, uint64_t{0})
                              : b_.CreateShuffleVector(part, low));
        b.push_back(half == 1 ? b_.CreateExtractElement(part, uint64_t{1})
                              : b_.CreateShuffleVector(part, high));
      }
      states[0] = reduction.combine(a, b);
    }
    total = reduction.combine(states[0], total);
  }
  const std::vector<Typed> results = reduction.result(total);
  registers_[read.to] = results[0];
  if (read.second) registers_[*read.second] = results.at(1);
}

void Emitter::emit(const Statement& statement) {
  if (const auto* affine = std::get_if<Affine>(&statement.is)) {
    registers_[affine->to] = {index(affine->index, width_ > 1), DType::Int64};
  } else if (const auto* loop = std::get_if<Loop>(&statement.is)) {
    emit(*loop, b_.getInt64(0), extent(loop->count));
  } else {
    std::visit(
        [&](const auto& one) {
          using T = std::decay_t<decltype(one)>;
          if constexpr (!std::is_same_v<T, Affine> && !std::is_same_v<T, Loop>) emit(one);
        },
        statement.is);
  }
}

bool Emitter::updates_outer(const std::vector<Statement>& body,
                            std::set<AccumulatorId> inner) const {
  for (const Statement& statement : body) {
    if (const auto* declare = std::get_if<Declare>(&statement.is)) {
      inner.insert(declare->accumulator);
    } else if (const auto* update = std::get_if<Update>(&statement.is)) {
      if (!inner.contains(update->accumulator)) return true;
    } else if (const auto* loop = std::get_if<Loop>(&statement.is)) {
      if (updates_outer(loop->body, inner)) return true;
    }
  }
  return false;
}

Value* Emitter::segment(const Loop& loop, Value* low, Value* high, unsigned width,
                        unsigned copies) {
  const unsigned step = width * copies;
  Value* count = b_.CreateSub(high, low);
  Value* whole = step == 1 ? count : b_.CreateAnd(count, b_.getInt64(-static_cast<int64_t>(step)));
  Value* stop = b_.CreateAdd(low, whole);
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto* body = llvm::BasicBlock::Create(context_, "body", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(low, stop), body, after);
  b_.SetInsertPoint(body);
  llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
  at->addIncoming(low, before);
  const unsigned outer_width = width_;
  const unsigned outer_copy = copy_;
  if (loop.kind == LoopKind::Vector) {
    width_ = width;
    vector_loop_ = loop.id;
  }
  for (unsigned copy = 0; copy < copies; ++copy) {
    if (loop.kind == LoopKind::Vector) copy_ = copy;
    loops_[loop.id] = b_.CreateAdd(at, b_.getInt64(uint64_t{copy} * width));
    for (const Statement& statement : loop.body) emit(statement);
  }
  width_ = outer_width;
  copy_ = outer_copy;
  if (loop.kind == LoopKind::Vector) vector_loop_.reset();
  Value* next = b_.CreateAdd(at, b_.getInt64(step));
  at->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, stop), body, after);
  b_.SetInsertPoint(after);
  return stop;
}

void collect(const std::vector<Statement>& body, std::set<AccumulatorId>& to) {
  for (const Statement& statement : body) {
    if (const auto* update = std::get_if<Update>(&statement.is)) to.insert(update->accumulator);
    if (const auto* loop = std::get_if<Loop>(&statement.is)) collect(loop->body, to);
  }
}

void find_vectors(const Loop& loop, std::set<AccumulatorId>& to) {
  if (loop.kind == LoopKind::Vector) return collect(loop.body, to);
  for (const Statement& statement : loop.body) {
    if (const auto* inner = std::get_if<Loop>(&statement.is)) find_vectors(*inner, to);
  }
}

void Emitter::emit(const Loop& loop, Value* low, Value* high) {
  if (loop.kind == LoopKind::Vector) {
    const std::set<AccumulatorId> outer = std::exchange(in_vectors_, {});
    const bool from_zero = low == b_.getInt64(0);
    const auto count = loop.count.constant();
    const bool reduces = updates_outer(loop.body, {});
    if (reduces && (!count || *count >= int64_t{lanes_} * kUnroll)) {
      low = segment(loop, low, high, lanes_, kUnroll);
    }
    if (!count || *count >= lanes_) low = segment(loop, low, high, lanes_, 1);
    if (!count || *count % lanes_ != 0 || !from_zero) segment(loop, low, high, 1, 1);
    in_vectors_ = outer;
    return;
  }
  find_vectors(loop, in_vectors_);
  segment(loop, low, high, 1, 1);
}

}  // namespace

void emit(const Kernel& kernel, llvm::Module& module, unsigned lanes) {
  Emitter(kernel, module, lanes).run();
}

}  // namespace trireme::compile
