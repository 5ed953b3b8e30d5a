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

std::pair<llvm::Value*, llvm::Value*> FunctionEmitter::clamp(Value* base, Value* count) {
  const auto inside = [&](Value* at) {
    at = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b_.CreateSub(at, base), b_.getInt64(0));
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, at, count);
  };
  return {inside(function_->getArg(4)), inside(function_->getArg(5))};
}

void FunctionEmitter::run(const std::vector<Part>& parts) {
  std::set<size_t> elsewhere;
  for (const Part& part : parts) {
    for (const Part::Member& member : part.members) elsewhere.insert(member.loop);
  }
  Value* base = b_.getInt64(0);
  for (size_t i = 0; i < kernel_.body.size(); ++i) {
    const Loop& loop = kernel_.body[i];
    Value* count = extent(loop.count);
    if (!elsewhere.contains(i)) {
      const auto [low, high] = clamp(base, count);
      emit(loop, low, high);
    }
    base = b_.CreateAdd(base, count);
  }
  for (const Part& part : parts) call(part);
  b_.CreateRetVoid();
}

llvm::Function* FunctionEmitter::run_part() {
  emit(kernel_.body.at(0), function_->getArg(4), function_->getArg(5));
  b_.CreateRetVoid();
  function_->setLinkage(llvm::Function::InternalLinkage);
  function_->addFnAttr(llvm::Attribute::NoInline);
  return function_;
}

// A loop over a table of what each call works on: where its points begin in the range, how many
// they are, by how many bytes its scalars and scratch arrays lie behind the kernel's, and its
// buffers. A part takes its own table of buffers for unchanging: it is not inlined.
void FunctionEmitter::call(const Part& part) {
  const size_t buffers = part.members[0].isolated.buffers.size();
  const size_t fields = 4 + buffers;
  std::vector<uint64_t> table;
  std::vector<int64_t> bases{0};
  for (const Loop& loop : kernel_.body) {
    bases.push_back(bases.back() + loop.count.constant().value());
  }
  for (const auto& [loop, isolated] : part.members) {
    table.push_back(static_cast<uint64_t>(bases[loop]));
    table.push_back(static_cast<uint64_t>(bases[loop + 1] - bases[loop]));
    table.push_back(isolated.first_number * sizeof(ScalarArg));
    table.push_back(scratch_offset(kernel_, isolated.first_scratch));
    for (const uint32_t buffer : isolated.buffers) table.push_back(buffer);
  }
  auto* contents = llvm::ConstantDataArray::get(context_, table);
  auto* global = new llvm::GlobalVariable(*function_->getParent(), contents->getType(), true,
                                          llvm::GlobalValue::PrivateLinkage, contents);
  llvm::BasicBlock& entry = function_->getEntryBlock();
  llvm::IRBuilder<> top(&entry, entry.begin());
  Value* pointers = top.CreateAlloca(llvm::ArrayType::get(b_.getPtrTy(), buffers));
  const uint64_t end = part.members.size() * fields;
  blocks(b_.getInt64(0), b_.getInt64(end), static_cast<int64_t>(fields),
         [&](Value* first, Value* /*last*/) {
           const auto field = [&](size_t which) {
             Value* index = b_.CreateAdd(first, b_.getInt64(which));
             return b_.CreateLoad(b_.getInt64Ty(),
                                  b_.CreateInBoundsGEP(b_.getInt64Ty(), global, index));
           };
           const auto [low, high] = clamp(field(0), field(1));
           auto* inner = llvm::BasicBlock::Create(context_, "part", function_);
           auto* after = llvm::BasicBlock::Create(context_, "after", function_);
           b_.CreateCondBr(b_.CreateICmpSLT(low, high), inner, after);
           b_.SetInsertPoint(inner);
           for (size_t i = 0; i < buffers; ++i) {
             Value* from = b_.CreateInBoundsGEP(b_.getPtrTy(), function_->getArg(0), field(4 + i));
             b_.CreateStore(b_.CreateLoad(b_.getPtrTy(), from),
                            b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), pointers, i));
           }
           const auto behind = [&](unsigned argument, size_t which) {
             return b_.CreateInBoundsGEP(b_.getInt8Ty(), function_->getArg(argument), field(which));
           };
           b_.CreateCall(part.function,
                         {pointers, behind(1, 2), function_->getArg(2), behind(3, 3), low, high});
           b_.CreateBr(after);
           b_.SetInsertPoint(after);
         });
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

// Equal top-level loops of a kernel, as those of an optimizer's many parameters.
std::vector<FunctionEmitter::Part> share_loops(const Kernel& kernel, llvm::Module& module,
                                               const VectorShape& shape) {
  std::vector<FunctionEmitter::Part> parts;
  const bool known = std::ranges::all_of(
      kernel.body, [](const Loop& loop) { return loop.count.constant().has_value(); });
  if (kernel.body.size() < 2 || !known) return parts;
  std::map<std::string, std::vector<FunctionEmitter::Part::Member>> equal;
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    auto isolated = isolate(kernel, kernel.body[i]);
    if (!isolated) continue;
    auto& members = equal[print(isolated->kernel)];
    members.push_back({i, std::move(*isolated)});
  }
  for (auto& [text, members] : equal) {
    if (members.size() < 2) continue;
    Kernel& shared = members[0].isolated.kernel;
    shared.name = kernel.name + "_part" + std::to_string(members[0].loop);
    llvm::Function* function = FunctionEmitter(shared, module, shape).run_part();
    parts.push_back({function, std::move(members)});
  }
  return parts;
}

}  // namespace

void emit(const Kernel& kernel, llvm::Module& module, const VectorShape& shape) {
  const auto parts = share_loops(kernel, module, shape);
  FunctionEmitter(kernel, module, shape).run(parts);
}

}  // namespace trireme::compile
