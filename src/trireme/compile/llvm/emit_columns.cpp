// SPDX-License-Identifier: Apache-2.0
// Sums of columns: the loop along a column is outside, the one over columns inside, so that memory
// is read row after row. The states of a block of columns lie in memory: the block is as small as
// the first-level cache.
#include "trireme/compile/kernel/columns.h"
#include "trireme/compile/llvm/function_emitter.h"

namespace trireme::compile {
namespace {

constexpr uint64_t kBlock = 256;  // vectors
constexpr uint64_t kTrips = 64;   // of the loop along the column, before states are settled
}  // namespace

void FunctionEmitter::repeat(Value* count, const std::function<void(Value*)>& inner) {
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto* block = llvm::BasicBlock::Create(context_, "repeat", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(b_.getInt64(0), count), block, after);
  b_.SetInsertPoint(block);
  llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
  at->addIncoming(b_.getInt64(0), before);
  inner(at);
  Value* next = b_.CreateAdd(at, b_.getInt64(1));
  at->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, count), block, after);
  b_.SetInsertPoint(after);
}

llvm::Value* FunctionEmitter::emit_columns(const Loop& loop, Value* low, Value* high) {
  const Loop& rows = *column_of(loop);
  nest_[loop.id] = &loop;
  nest_[rows.id] = &rows;
  const unsigned lanes = shape_.lanes;
  // States of all columns of a block, by accumulator and part.
  struct Arrays {
    AccumulatorId accumulator = 0;
    bool settles = false;
    Slots::State running{};
    Slots::State settled{};
  };
  std::vector<Arrays> arrays;
  size_t used = 0;  // of column_arrays_, which the loops of the function use in turn
  const auto array_of = [&](const Slots::State& slots) {
    llvm::BasicBlock& entry = function_->getEntryBlock();
    llvm::IRBuilder<> top(&entry, entry.begin());
    Slots::State state;
    for (llvm::AllocaInst* slot : slots) {
      llvm::Type* type = slot->getAllocatedType();
      while (used < column_arrays_.size() && column_arrays_[used]->getAllocatedType() != type) {
        ++used;
      }
      if (used == column_arrays_.size()) {
        column_arrays_.push_back(top.CreateAlloca(type, top.getInt64(kBlock)));
      }
      state.push_back(column_arrays_[used++]);
    }
    return state;
  };
  const auto move = [&](const Slots::State& from, Value* from_at, const Slots::State& to,
                        Value* to_at) {
    const auto place = [&](llvm::AllocaInst* slot, Value* at) -> Value* {
      return at == nullptr ? slot : b_.CreateGEP(slot->getAllocatedType(), slot, at);
    };
    for (size_t i = 0; i < from.size(); ++i) {
      Value* value = b_.CreateLoad(from[i]->getAllocatedType(), place(from[i], from_at));
      b_.CreateStore(value, place(to[i], to_at));
    }
  };
  const auto with_block = [&](auto inner) {
    const unsigned outer_width = std::exchange(width_, lanes);
    vector_loop_ = loop.id;
    inside_.push_back(loop.id);
    inner();
    inside_.pop_back();
    width_ = outer_width;
    vector_loop_.reset();
  };

  Value* whole = b_.CreateAnd(b_.CreateSub(high, low), b_.getInt64(-static_cast<int64_t>(lanes)));
  Value* stop = b_.CreateAdd(low, whole);
  blocks(low, stop, static_cast<int64_t>(kBlock * lanes), [&](Value* from, Value* to) {
    Value* vectors = b_.CreateUDiv(b_.CreateSub(to, from), b_.getInt64(lanes));
    const auto at_column = [&](Value* column) {
      loops_[loop.id] = b_.CreateAdd(from, b_.CreateMul(column, b_.getInt64(lanes)));
    };
    with_block([&] {
      std::set<AccumulatorId> all;
      for (const Statement& statement : loop.body) {
        const auto* declare = std::get_if<Declare>(&statement.is);
        if (declare == nullptr) break;
        emit(*declare);
        all.insert(declare->accumulator);
      }
      expect_settling(all);
      for (const AccumulatorId number : all) {
        const Slots& slots = accumulators_.at(number);
        arrays.push_back(
            {number, !slots.settled.empty(), array_of(slots.own), array_of(slots.settled)});
      }
      repeat(vectors, [&](Value* column) {
        for (const Arrays& one : arrays) {
          const Slots& slots = accumulators_.at(one.accumulator);
          move(slots.own, nullptr, one.running, column);
          if (one.settles) move(slots.settled, nullptr, one.settled, column);
        }
      });
      blocks(b_.getInt64(0), extent(rows.count), kTrips, [&](Value* row_from, Value* row_to) {
        repeat(b_.CreateSub(row_to, row_from), [&](Value* row) {
          loops_[rows.id] = b_.CreateAdd(row_from, row);
          inside_.push_back(rows.id);
          repeat(vectors, [&](Value* column) {
            at_column(column);
            for (const Arrays& one : arrays) {
              move(one.running, column, accumulators_.at(one.accumulator).own, nullptr);
            }
            for (const Statement& statement : rows.body) emit(statement);
            for (const Arrays& one : arrays) {
              move(accumulators_.at(one.accumulator).own, nullptr, one.running, column);
            }
          });
          inside_.pop_back();
        });
        repeat(vectors, [&](Value* column) {
          for (const Arrays& one : arrays) {
            if (!one.settles) continue;
            const Slots& slots = accumulators_.at(one.accumulator);
            move(one.running, column, slots.own, nullptr);
            move(one.settled, column, slots.settled, nullptr);
            settle({one.accumulator});
            move(slots.own, nullptr, one.running, column);
            move(slots.settled, nullptr, one.settled, column);
          }
        });
      });
      repeat(vectors, [&](Value* column) {
        at_column(column);
        for (const Arrays& one : arrays) {
          const Slots& slots = accumulators_.at(one.accumulator);
          move(one.running, column, slots.own, nullptr);
          if (one.settles) move(one.settled, column, slots.settled, nullptr);
        }
        bool after = false;
        for (const Statement& statement : loop.body) {
          if (after) emit(statement);
          after |= std::holds_alternative<Loop>(statement.is);
        }
      });
    });
  });
  return stop;
}

}  // namespace trireme::compile
