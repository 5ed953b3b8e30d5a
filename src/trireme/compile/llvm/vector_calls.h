// SPDX-License-Identifier: Apache-2.0
// Calls of the functions of code/vector_functions.h. Includes LLVM: for llvm/*.cpp alone.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <span>

#include "trireme/compile/code/externals.h"
#include "trireme/graph/ir/expression.h"

namespace trireme::compile {

// Declares those that the program has, for vectors of up to `bytes`.
void declare_vector_functions(llvm::Module& module, std::span<const External> externals,
                              unsigned bytes);

// Of f32 or f64, scalars or vectors of any length: an element's result does not depend on how many
// there are. Null: the module declares none. `y`: null for functions of one number.
llvm::Value* call_vector_function(llvm::IRBuilder<>& builder, graph::ScalarOp op, llvm::Value* x,
                                  llvm::Value* y);

}  // namespace trireme::compile
