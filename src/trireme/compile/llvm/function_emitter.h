// SPDX-License-Identifier: Apache-2.0
// One kernel as an LLVM function, while it is written. Includes LLVM: for llvm/*.cpp alone.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "trireme/compile/kernel/isolate.h"
#include "trireme/compile/kernel/kernel.h"
#include "trireme/compile/llvm/emitter.h"
#include "trireme/compile/llvm/reductions.h"
#include "trireme/compile/llvm/scalars.h"

namespace trireme::compile {

class FunctionEmitter {
 public:
  // Top-level loops that one function runs in turn.
  struct Part {
    struct Member {
      size_t loop = 0;
      IsolatedLoop isolated;
    };
    llvm::Function* function = nullptr;
    std::vector<Member> members;
  };

  FunctionEmitter(const Kernel& kernel, llvm::Module& module, const VectorShape& shape);
  // All loops; those of the parts by calls, for which all counts have to be constants.
  void run(const std::vector<Part>& parts);
  // Its one loop over just the points that it is given, as a function of the module alone.
  llvm::Function* run_part();

 private:
  using Value = llvm::Value;

  // One accumulator: states in memory that SROA turns into registers.
  struct Slots {
    using State = std::vector<llvm::AllocaInst*>;
    ReduceOp op{};
    DType dtype{};
    unsigned width = 1;            // of the place of its declaration
    State own{};                   // as wide
    std::vector<State> vectors{};  // of a vector loop inside, one per copy of its body
    State settled{};               // what was taken out of them; as wide as these, if there are any
    llvm::Instruction* declared = nullptr;  // the last instruction of the declaration
  };

  // --- memory (emit_memory.cpp) ---
  Value* extent(const Extent& value);
  // Of the first lane; or of all, as a vector.
  Value* index(const Index& at, bool lanes_too);
  // The stride along the vector loop; none: a register moves the lanes apart.
  std::optional<Extent> vector_stride(const Index& at) const;
  llvm::Type* element_type(const Place& place);
  DType dtype_of(const Place& place) const;
  Value* base_of(const Place& place);
  Value* pointer(const Place& place);   // of the first lane
  Value* pointers(const Place& place);  // of all
  Value* strided_load(const Place& place, int64_t stride, Value* mask);
  // How many bytes behind this vector's place lies what is worth asking for already; none: nothing.
  std::optional<int64_t> ahead(const Place& place) const;
  Value* lane_numbers(unsigned width);
  Value* all_lanes();
  Value* argument(llvm::Type* type, Value* from, size_t bytes);  // which never changes
  void emit(const Load& load);
  void emit(const Store& store);

  // --- statements ---
  void call(const Part& part);
  std::pair<Value*, Value*> clamp(Value* base, Value* count);  // of the range that is to be run
  void emit(const Statement& statement);
  void emit(const Compute& compute);
  void emit(const Affine& affine);
  void emit(const Draw& draw);

  // --- loops and reductions (emit_loops.cpp) ---
  void emit(const Declare& declare);
  void emit(const Update& update);
  void emit(const Read& read);
  void emit(const Loop& loop) { emit(loop, b_.getInt64(0), extent(loop.count)); }
  void emit(const Loop& loop, Value* low, Value* high);
  void emit_vector(const Loop& loop, Value* low, Value* high);
  // Sums of columns, whole vectors of [low, high): see emit_columns.cpp. Returns where it ended.
  Value* emit_columns(const Loop& loop, Value* low, Value* high);
  // Points [low, ...) in whole steps of width * copies; returns where it ended.
  Value* segment(const Loop& loop, Value* low, Value* high, unsigned width, unsigned copies);
  // The points [low, high), fewer than a vector has.
  void tail(const Loop& loop, Value* low, Value* high);
  void body(const Loop& loop, Value* at, unsigned width, unsigned copies);
  // Calls `inner` with the ends of blocks of `step` points, the last perhaps shorter.
  void blocks(Value* low, Value* high, int64_t step,
              const std::function<void(Value*, Value*)>& inner);
  void expect_settling(const std::set<AccumulatorId>& accumulators);
  void settle(const std::set<AccumulatorId>& accumulators);
  // Calls `inner` with 0, 1, ... below `count`.
  void repeat(Value* count, const std::function<void(Value*)>& inner);
  Reduction::State gather_vectors(Reduction& reduction, const Slots& slots);
  Slots::State make_state(const std::vector<llvm::Constant*>& start, unsigned width);
  void reset(const Slots::State& slots, const std::vector<llvm::Constant*>& start);
  Reduction::State load_state(const Slots::State& slots);
  void store_state(const Slots::State& slots, const Reduction::State& state);

  const Kernel& kernel_;
  VectorShape shape_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> b_;
  Scalars scalars_;
  llvm::Function* function_;
  std::vector<Typed> registers_;
  std::vector<Value*> loops_;  // the variable, by loop
  std::map<LoopId, const Loop*> nest_{};
  std::vector<LoopId> inside_{};  // the loops around, outermost first
  std::map<AccumulatorId, Slots> accumulators_;
  std::set<AccumulatorId> in_vectors_;
  std::vector<llvm::AllocaInst*> column_arrays_;  // states of blocks of columns
  std::vector<Value*> buffers_;
  unsigned width_ = 1;
  unsigned copy_ = 0;
  std::optional<LoopId> vector_loop_;
  Value* active_ = nullptr;  // the lanes that are points; null: all
};

}  // namespace trireme::compile
