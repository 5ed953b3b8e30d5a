// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/emitter.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "trireme/compile/kernel/isolate.h"
#include "trireme/compile/llvm/draws.h"
#include "trireme/compile/llvm/function_emitter.h"

namespace trireme::compile {

FunctionEmitter::FunctionEmitter(const Kernel& kernel, llvm::Module& module,
                                 const VectorShape& shape)
    : kernel_(kernel),
      shape_(shape),
      context_(module.getContext()),
      b_(context_),
      scalars_(b_),
      registers_(kernel.registers),
      loops_(kernel.loops) {
  llvm::Type* pointer = b_.getPtrTy();
  llvm::Type* number = b_.getInt64Ty();
  auto* type = llvm::FunctionType::get(b_.getVoidTy(),
                                       {pointer, pointer, pointer, pointer, number, number}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, kernel.name, module);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  const std::string bits = std::to_string(shape.lanes * 32);
  function_->addFnAttr("prefer-vector-width", bits);
  function_->addFnAttr("min-legal-vector-width", bits);
  b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", function_));
  for (size_t i = 0; i < kernel.buffers.size(); ++i) {
    buffers_.push_back(argument(pointer, function_->getArg(0), i * sizeof(void*)));
  }
}

void FunctionEmitter::run(const std::map<size_t, Part>& parts) {
  Value* begin = function_->getArg(4);
  Value* end = function_->getArg(5);
  Value* base = b_.getInt64(0);
  const auto clamp = [&](Value* at, Value* count) {
    at = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b_.CreateSub(at, base), b_.getInt64(0));
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, at, count);
  };
  for (size_t i = 0; i < kernel_.body.size(); ++i) {
    const Loop& loop = kernel_.body[i];
    Value* count = extent(loop.count);
    Value* low = clamp(begin, count);
    Value* high = clamp(end, count);
    if (const auto found = parts.find(i); found != parts.end()) {
      call(found->second, low, high);
    } else {
      emit(loop, low, high);
    }
    base = b_.CreateAdd(base, count);
  }
  b_.CreateRetVoid();
}

llvm::Function* FunctionEmitter::run_part() {
  emit(kernel_.body.at(0), function_->getArg(4), function_->getArg(5));
  b_.CreateRetVoid();
  function_->setLinkage(llvm::Function::InternalLinkage);
  function_->addFnAttr(llvm::Attribute::NoInline);
  return function_;
}

// Each call has a table of its own: the part takes it for unchanging.
void FunctionEmitter::call(const Part& part, Value* low, Value* high) {
  llvm::BasicBlock& entry = function_->getEntryBlock();
  llvm::IRBuilder<> top(&entry, entry.begin());
  Value* table = top.CreateAlloca(llvm::ArrayType::get(b_.getPtrTy(), part.buffers.size()));
  auto* inner = llvm::BasicBlock::Create(context_, "part", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(low, high), inner, after);
  b_.SetInsertPoint(inner);
  for (size_t i = 0; i < part.buffers.size(); ++i) {
    b_.CreateStore(buffers_[part.buffers[i]],
                   b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), table, i));
  }
  Value* scalars = b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), function_->getArg(1),
                                                 part.first_number * sizeof(ScalarArg));
  Value* scratch = b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), function_->getArg(3),
                                                 scratch_offset(kernel_, part.first_scratch));
  b_.CreateCall(part.function, {table, scalars, function_->getArg(2), scratch, low, high});
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void FunctionEmitter::emit(const Compute& compute) {
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
    const bool real = kernel_.numbers[compute.index] == DType::Float64;
    Value* value = argument(real ? b_.getDoubleTy() : b_.getInt64Ty(), function_->getArg(1),
                            compute.index * sizeof(ScalarArg) +
                                (real ? offsetof(ScalarArg, real) : offsetof(ScalarArg, integer)));
    to = {scalars_.cast({value, real ? DType::Float64 : DType::Int64}, compute.dtype),
          compute.dtype};
    return;
  }
  std::array<Typed, 3> args{};
  for (size_t i = 0; i < std::min(args.size(), graph::arity(compute.op)); ++i) {
    args[i] = registers_[compute.args[i]];
  }
  to = {scalars_.apply(compute.op, compute.dtype, args), compute.dtype};
}

void FunctionEmitter::emit(const Affine& affine) {
  registers_[affine.to] = {index(affine.index, width_ > 1), DType::Int64};
}

void FunctionEmitter::emit(const Draw& draw) {
  const size_t at = (kernel_.numbers.size() + 2 * size_t{draw.random}) * sizeof(ScalarArg);
  llvm::Type* number = b_.getInt64Ty();
  const size_t field = offsetof(ScalarArg, integer);
  Draws draws(b_, argument(number, function_->getArg(1), at + field),
              argument(number, function_->getArg(1), at + sizeof(ScalarArg) + field));
  std::array<Value*, 2> parameters{};
  for (size_t i = 0; i < parameter_count(draw.distribution); ++i) {
    parameters[i] = registers_[draw.parameters[i]].value;
  }
  registers_[draw.to] = {
      draws.draw(draw.distribution, draw.dtype, registers_[draw.position].value, parameters),
      draw.dtype};
}

void FunctionEmitter::emit(const Statement& statement) {
  std::visit([&](const auto& one) { emit(one); }, statement.is);
}

namespace {

// Equal top-level loops of a kernel, which it calls: those of an optimizer's many parameters.
std::map<size_t, FunctionEmitter::Part> share_loops(const Kernel& kernel, llvm::Module& module,
                                                    const VectorShape& shape) {
  std::map<size_t, FunctionEmitter::Part> parts;
  if (kernel.body.size() < 2) return parts;
  std::vector<std::optional<IsolatedLoop>> loops;
  std::map<std::string, std::vector<size_t>> equal;
  for (const Loop& loop : kernel.body) {
    loops.push_back(isolate(kernel, loop));
    if (loops.back()) equal[print(loops.back()->kernel)].push_back(loops.size() - 1);
  }
  for (const auto& [text, members] : equal) {
    if (members.size() < 2) continue;
    Kernel& shared = loops[members[0]]->kernel;
    shared.name = kernel.name + "_part" + std::to_string(members[0]);
    llvm::Function* function = FunctionEmitter(shared, module, shape).run_part();
    for (const size_t i : members) {
      parts[i] = {function, loops[i]->buffers, loops[i]->first_number, loops[i]->first_scratch};
    }
  }
  return parts;
}

}  // namespace

void emit(const Kernel& kernel, llvm::Module& module, const VectorShape& shape) {
  const auto parts = share_loops(kernel, module, shape);
  FunctionEmitter(kernel, module, shape).run(parts);
}

}  // namespace trireme::compile
