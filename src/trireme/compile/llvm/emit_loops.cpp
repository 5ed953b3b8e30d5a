// SPDX-License-Identifier: Apache-2.0
// Loops and the reductions that go along them.
//
// A vector loop is written for whole vectors, and once more for the lanes that are left, under a
// mask, or point by point where masks are dear. One that reduces to outside takes kUnroll vectors
// at once, each with a state of its own; one whose points run loops inside (sums of columns) takes
// several vectors in each of their trips, so that every row's visit reads whole cache lines.
//
// Running states lose digits: after kTrips of them they are settled. The error of a sum of n values
// then grows as that of a sum of n / (kTrips * states) + kTrips values.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <numeric>

#include "trireme/compile/kernel/columns.h"
#include "trireme/compile/llvm/function_emitter.h"

namespace trireme::compile {
namespace {

constexpr unsigned kUnroll = 4;  // vector accumulators of a reduction: hides the add's latency
constexpr int64_t kTrips = 64;
constexpr int64_t kFewColumns = 8;  // vectors of them

// Accumulators that are updated in the body and declared outside of it.
void find_outer_updates(const std::vector<Statement>& body, std::set<AccumulatorId> declared,
                        std::set<AccumulatorId>& found) {
  for (const Statement& statement : body) {
    if (const auto* declare = std::get_if<Declare>(&statement.is)) {
      declared.insert(declare->accumulator);
    } else if (const auto* update = std::get_if<Update>(&statement.is)) {
      if (!declared.contains(update->accumulator)) found.insert(update->accumulator);
    } else if (const auto* loop = std::get_if<Loop>(&statement.is)) {
      find_outer_updates(loop->body, declared, found);
    }
  }
}

std::set<AccumulatorId> outer_updates(const Loop& loop) {
  std::set<AccumulatorId> found;
  find_outer_updates(loop.body, {}, found);
  return found;
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

// How many values one trip of the loop adds to a state, at most, before it is settled.
int64_t adds_of(const std::vector<Statement>& body, unsigned lanes) {
  int64_t adds = 1;
  for (const Statement& statement : body) {
    const auto* loop = std::get_if<Loop>(&statement.is);
    if (loop == nullptr) continue;
    int64_t trips = loop->count.constant().value_or(kTrips);
    if (loop->kind == LoopKind::Vector) trips = trips / (int64_t{lanes} * kUnroll) + 2;
    adds = std::max(adds, std::min(trips, kTrips) * adds_of(loop->body, lanes));
  }
  return adds;
}

// How many accumulators loops inside the body update for each of its points.
size_t columns_of(const Loop& loop) {
  std::set<AccumulatorId> inner;
  for (const Statement& statement : loop.body) {
    if (const auto* one = std::get_if<Loop>(&statement.is)) collect(one->body, inner);
  }
  return inner.size();
}

}  // namespace

FunctionEmitter::Slots::State FunctionEmitter::make_state(const std::vector<llvm::Constant*>& start,
                                                          unsigned width) {
  Slots::State state;
  llvm::BasicBlock& entry = function_->getEntryBlock();
  llvm::IRBuilder<> top(&entry, entry.begin());
  for (llvm::Constant* one : start) {
    llvm::Type* type = one->getType();
    state.push_back(top.CreateAlloca(width == 1 ? type : llvm::FixedVectorType::get(type, width)));
  }
  return state;
}

void FunctionEmitter::reset(const Slots::State& slots, const std::vector<llvm::Constant*>& start) {
  for (size_t i = 0; i < slots.size(); ++i) {
    const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(slots[i]->getAllocatedType());
    b_.CreateStore(vector == nullptr
                       ? start[i]
                       : llvm::ConstantVector::getSplat(vector->getElementCount(), start[i]),
                   slots[i]);
  }
}

Reduction::State FunctionEmitter::load_state(const Slots::State& slots) {
  Reduction::State state;
  for (llvm::AllocaInst* slot : slots) {
    state.push_back(b_.CreateLoad(slot->getAllocatedType(), slot));
  }
  return state;
}

void FunctionEmitter::store_state(const Slots::State& slots, const Reduction::State& state) {
  for (size_t i = 0; i < slots.size(); ++i) b_.CreateStore(state[i], slots[i]);
}

void FunctionEmitter::emit(const Declare& declare) {
  Reduction reduction(b_, declare.op, declare.dtype);
  const auto start = reduction.empty();
  Slots slots{declare.op, declare.dtype, width_, make_state(start, width_)};
  reset(slots.own, start);
  if (width_ == 1 && in_vectors_.contains(declare.accumulator)) {
    for (unsigned i = 0; i < kUnroll; ++i) {
      slots.vectors.push_back(make_state(start, shape_.lanes));
      reset(slots.vectors.back(), start);
    }
  }
  slots.declared = &b_.GetInsertBlock()->back();
  accumulators_[declare.accumulator] = std::move(slots);
}

void FunctionEmitter::emit(const Update& update) {
  const Slots& slots = accumulators_.at(update.accumulator);
  Reduction reduction(b_, slots.op, slots.dtype);
  const auto& to = slots.width == width_ ? slots.own : slots.vectors.at(copy_);
  Value* position = update.position ? registers_[*update.position].value : nullptr;
  const Reduction::State before = load_state(to);
  Reduction::State after = reduction.with(before, registers_[update.value].value, position);
  if (active_ != nullptr) {
    for (size_t i = 0; i < after.size(); ++i) {
      after[i] = b_.CreateSelect(active_, after[i], before[i]);
    }
  }
  store_state(to, after);
}

// The copies' states, pairwise; settled.
Reduction::State FunctionEmitter::gather_vectors(Reduction& reduction, const Slots& slots) {
  std::vector<Reduction::State> states;
  for (const Slots::State& slot : slots.vectors) {
    states.push_back(reduction.settle(load_state(slot)));
  }
  for (size_t half = states.size() / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) states[i] = reduction.combine(states[i], states[i + half]);
  }
  return states[0];
}

// Makes room for what is taken out of the running states, empty where they are declared. Before the
// loops that settle: they may also read.
void FunctionEmitter::expect_settling(const std::set<AccumulatorId>& accumulators) {
  for (const AccumulatorId number : accumulators) {
    Slots& slots = accumulators_.at(number);
    Reduction reduction(b_, slots.op, slots.dtype);
    if (!reduction.drifts() || !slots.settled.empty()) continue;
    const auto start = reduction.settled_empty();
    slots.settled = make_state(start, slots.vectors.empty() ? slots.width : shape_.lanes);
    const llvm::IRBuilderBase::InsertPointGuard guard(b_);
    b_.SetInsertPoint(slots.declared->getParent(), std::next(slots.declared->getIterator()));
    reset(slots.settled, start);
  }
}

// Takes what was counted out of the running states.
void FunctionEmitter::settle(const std::set<AccumulatorId>& accumulators) {
  for (const AccumulatorId number : accumulators) {
    Slots& slots = accumulators_.at(number);
    Reduction reduction(b_, slots.op, slots.dtype);
    if (!reduction.drifts()) continue;
    const bool vectors = !slots.vectors.empty();
    Reduction::State running =
        vectors ? gather_vectors(reduction, slots) : reduction.settle(load_state(slots.own));
    const Reduction::State total = reduction.combine(load_state(slots.settled), running);
    store_state(slots.settled, total);
    const Reduction::State fresh = reduction.restart(total);
    if (!vectors) store_state(slots.own, fresh);
    for (const Slots::State& slot : slots.vectors) store_state(slot, fresh);
  }
}

// What was settled, then the copies, then halves of the lanes, then what was added one by one.
void FunctionEmitter::emit(const Read& read) {
  const Slots& slots = accumulators_.at(read.accumulator);
  Reduction reduction(b_, slots.op, slots.dtype);
  Reduction::State total = reduction.settle(load_state(slots.own));
  if (!slots.vectors.empty()) {
    Reduction::State wide = gather_vectors(reduction, slots);
    if (!slots.settled.empty()) wide = reduction.combine(load_state(slots.settled), wide);
    for (unsigned half = shape_.lanes / 2; half > 0; half /= 2) {
      std::vector<int> low(half);
      std::vector<int> high(half);
      std::iota(low.begin(), low.end(), 0);
      std::iota(high.begin(), high.end(), static_cast<int>(half));
      Reduction::State a;
      Reduction::State b;
      for (Value* part : wide) {
        a.push_back(half == 1 ? b_.CreateExtractElement(part, uint64_t{0})
                              : b_.CreateShuffleVector(part, low));
        b.push_back(half == 1 ? b_.CreateExtractElement(part, uint64_t{1})
                              : b_.CreateShuffleVector(part, high));
      }
      wide = reduction.combine(a, b);
    }
    total = reduction.combine(wide, total);
  } else if (!slots.settled.empty()) {
    total = reduction.combine(load_state(slots.settled), total);
  }
  const std::vector<Typed> results = reduction.result(total);
  registers_[read.to] = results[0];
  if (read.second) registers_[*read.second] = results.at(1);
}

void FunctionEmitter::body(const Loop& loop, Value* at, unsigned width, unsigned copies) {
  const unsigned outer_width = width_;
  const unsigned outer_copy = copy_;
  const bool vector = loop.kind == LoopKind::Vector;
  if (vector) {
    width_ = width;
    vector_loop_ = loop.id;
  }
  inside_.push_back(loop.id);
  nest_[loop.id] = &loop;
  for (unsigned copy = 0; copy < copies; ++copy) {
    if (vector) copy_ = copy;
    loops_[loop.id] = b_.CreateAdd(at, b_.getInt64(uint64_t{copy} * width));
    for (const Statement& statement : loop.body) emit(statement);
  }
  inside_.pop_back();
  width_ = outer_width;
  copy_ = outer_copy;
  if (vector) vector_loop_.reset();
}

llvm::Value* FunctionEmitter::segment(const Loop& loop, Value* low, Value* high, unsigned width,
                                      unsigned copies) {
  const unsigned step = width * copies;
  Value* count = b_.CreateSub(high, low);
  Value* whole = step == 1 ? count : b_.CreateAnd(count, b_.getInt64(-static_cast<int64_t>(step)));
  Value* stop = b_.CreateAdd(low, whole);
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto* inner = llvm::BasicBlock::Create(context_, "body", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(low, stop), inner, after);
  b_.SetInsertPoint(inner);
  llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
  at->addIncoming(low, before);
  body(loop, at, width, copies);
  Value* next = b_.CreateAdd(at, b_.getInt64(step));
  at->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, stop), inner, after);
  b_.SetInsertPoint(after);
  return stop;
}

void FunctionEmitter::tail(const Loop& loop, Value* low, Value* high) {
  if (!shape_.masked) {
    segment(loop, low, high, 1, 1);
    return;
  }
  auto* inner = llvm::BasicBlock::Create(context_, "tail", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(low, high), inner, after);
  b_.SetInsertPoint(inner);
  Value* left = b_.CreateVectorSplat(shape_.lanes, b_.CreateSub(high, low));
  active_ = b_.CreateICmpSLT(lane_numbers(shape_.lanes), left);
  body(loop, low, shape_.lanes, 1);
  active_ = nullptr;
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void FunctionEmitter::blocks(Value* low, Value* high, int64_t step,
                             const std::function<void(Value*, Value*)>& inner) {
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto* block = llvm::BasicBlock::Create(context_, "block", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(low, high), block, after);
  b_.SetInsertPoint(block);
  llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
  at->addIncoming(low, before);
  Value* next = b_.CreateAdd(at, b_.getInt64(static_cast<uint64_t>(step)));
  inner(at, b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, next, high));
  at->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, high), block, after);
  b_.SetInsertPoint(after);
}

void FunctionEmitter::emit_vector(const Loop& loop, Value* low, Value* high) {
  const std::set<AccumulatorId> outer = std::exchange(in_vectors_, {});
  const int64_t lanes = shape_.lanes;
  const int64_t step = lanes * kUnroll;
  const auto count = loop.count.constant();
  const bool from_zero = low == b_.getInt64(0);
  const std::set<AccumulatorId> updated = outer_updates(loop);
  if (!updated.empty() && (!count || *count >= step)) {
    if (!count || *count > step * kTrips) {
      // whole steps, in blocks
      Value* whole =
          b_.CreateAnd(b_.CreateSub(high, low), b_.getInt64(static_cast<uint64_t>(-step)));
      Value* stop = b_.CreateAdd(low, whole);
      expect_settling(updated);
      blocks(low, stop, step * kTrips, [&](Value* from, Value* to) {
        segment(loop, from, to, shape_.lanes, kUnroll);
        settle(updated);
      });
      low = stop;
    } else {
      low = segment(loop, low, high, shape_.lanes, kUnroll);
    }
  }
  if (updated.empty() && is_column_sum(loop) && (!count || *count >= lanes * kFewColumns)) {
    low = emit_columns(loop, low, high);
  }
  const size_t columns = updated.empty() ? columns_of(loop) : 0;
  if (columns > 0) {
    const unsigned wide = shape_.lanes * (columns > 2 ? 2 : 4);
    if (!count || *count >= wide) low = segment(loop, low, high, wide, 1);
  }
  if (!count || *count >= lanes) low = segment(loop, low, high, shape_.lanes, 1);
  const bool one = from_zero && count && *count % lanes == 1;
  if (one) {
    segment(loop, low, high, 1, 1);
  } else if (!from_zero || !count || *count % lanes != 0) {
    tail(loop, low, high);
  }
  in_vectors_ = outer;
}

void FunctionEmitter::emit(const Loop& loop, Value* low, Value* high) {
  if (loop.kind == LoopKind::Vector) return emit_vector(loop, low, high);
  find_vectors(loop, in_vectors_);
  std::set<AccumulatorId> drifting;
  for (const AccumulatorId number : outer_updates(loop)) {
    const Slots& slots = accumulators_.at(number);
    if (Reduction(b_, slots.op, slots.dtype).drifts()) drifting.insert(number);
  }
  const int64_t adds = adds_of(loop.body, shape_.lanes);
  const auto count = loop.count.constant();
  if (drifting.empty() || (count && *count * adds <= kTrips)) {
    segment(loop, low, high, 1, 1);
    return;
  }
  expect_settling(drifting);
  blocks(low, high, std::max<int64_t>(1, kTrips / adds), [&](Value* from, Value* to) {
    segment(loop, from, to, 1, 1);
    settle(drifting);
  });
}

}  // namespace trireme::compile
