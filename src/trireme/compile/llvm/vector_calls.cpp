// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/vector_calls.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/DerivedTypes.h>

#include <algorithm>
#include <vector>

#include "trireme/compile/code/vector_functions.h"
#include "trireme/compile/llvm/scalars.h"

namespace trireme::compile {
namespace {

using llvm::Value;

// `count` elements of `x` from `first` on, then its first again up to `lanes`.
Value* take(llvm::IRBuilder<>& builder, Value* x, unsigned first, unsigned count, unsigned lanes) {
  if (Scalars::lanes(x) == 1) return builder.CreateVectorSplat(lanes, x);
  std::vector<int> mask(lanes, 0);
  for (unsigned i = 0; i < count; ++i) mask[i] = static_cast<int>(first + i);
  return builder.CreateShuffleVector(x, mask);
}

}  // namespace

void declare_vector_functions(llvm::Module& module, std::span<const External> externals,
                              unsigned bytes) {
  llvm::LLVMContext& context = module.getContext();
  for (const VectorFunction& function : vector_functions()) {
    if (function.lanes * (function.single ? 4 : 8) > bytes) continue;
    if (std::ranges::find(externals, function.symbol, &External::name) == externals.end()) continue;
    llvm::Type* element =
        function.single ? llvm::Type::getFloatTy(context) : llvm::Type::getDoubleTy(context);
    auto* vector = llvm::FixedVectorType::get(element, function.lanes);
    const std::vector<llvm::Type*> types(function.binary ? 2 : 1, vector);
    auto* declared = llvm::cast<llvm::Function>(
        module.getOrInsertFunction(function.symbol, llvm::FunctionType::get(vector, types, false))
            .getCallee());
    declared->setDoesNotThrow();
    declared->setDoesNotAccessMemory();
    declared->setWillReturn();
  }
}

Value* call_vector_function(llvm::IRBuilder<>& builder, graph::ScalarOp op, Value* x, Value* y) {
  const bool single = x->getType()->getScalarType()->isFloatTy();
  const llvm::Module& module = *builder.GetInsertBlock()->getModule();
  const auto all = vector_functions();
  const auto found = std::ranges::find_if(all, [&](const VectorFunction& function) {
    return function.op == op && function.single == single &&
           module.getFunction(function.symbol) != nullptr;
  });
  if (found == all.end()) return nullptr;
  llvm::Function* function = module.getFunction(found->symbol);
  const unsigned total = Scalars::lanes(x);
  std::vector<Value*> parts;
  for (unsigned first = 0; first < total; first += found->lanes) {
    const unsigned count = std::min(found->lanes, total - first);
    std::vector<Value*> args{take(builder, x, first, count, found->lanes)};
    if (found->binary) args.push_back(take(builder, y, first, count, found->lanes));
    parts.push_back(builder.CreateCall(function, args));
  }
  if (total == 1) return builder.CreateExtractElement(parts[0], uint64_t{0});
  Value* whole = parts.size() == 1 ? parts[0] : llvm::concatenateVectors(builder, parts);
  if (total == found->lanes * parts.size()) return whole;
  return builder.CreateShuffleVector(whole, llvm::createSequentialMask(0, total, 0));
}

}  // namespace trireme::compile
