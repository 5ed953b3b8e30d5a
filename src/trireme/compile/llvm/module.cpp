// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/module.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <cstring>

#include "trireme/compile/llvm/emitter.h"
#include "trireme/compile/llvm/vector_calls.h"

namespace trireme::compile {
namespace {

constexpr std::string_view kMagic = "trireme kernels 1\n";

[[noreturn]] void throw_fatal(void* /*data*/, const char* reason, bool /*crashes*/) {
  throw CompileError(std::string("kernel compiler: LLVM cannot go on: ") + reason);
}

void prepare_target() {
  static const bool ready = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    // LLVM would end the process. It has unwind tables and no destructors that matter more than a
    // leak does.
    llvm::install_fatal_error_handler(&throw_fatal);
    return true;
  }();
  (void)ready;
}

[[noreturn]] void fail(const std::string& where, llvm::Error error) {
  throw CompileError("kernel compiler: " + where + ": " + llvm::toString(std::move(error)));
}

template <class T>
T take(const std::string& where, llvm::Expected<T> value) {
  if (!value) fail(where, value.takeError());
  return std::move(*value);
}

llvm::orc::JITTargetMachineBuilder host() {
  prepare_target();
  auto builder = take("this CPU", llvm::orc::JITTargetMachineBuilder::detectHost());
  builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::Less);
  builder.getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict;
  builder.setRelocationModel(llvm::Reloc::PIC_);
  builder.setCodeModel(llvm::CodeModel::Small);  // an image is far below 2 GB
  return builder;
}

// By 32-bit lanes of the widest vectors.
VectorShape shape_of(const llvm::orc::JITTargetMachineBuilder& builder) {
  const std::string features = builder.getFeatures().getString();
  const auto has = [&](const char* name) {
    return features.find(std::string("+") + name) != std::string::npos;
  };
  if (has("avx512f")) return {16, has("avx512bw") && has("avx512vl")};
  return {has("avx2") ? 8U : 4U, false};
}

// Emits no loops to unroll and nothing to vectorise, so that little is left for passes.
void optimise(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder passes(&machine);
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(components);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, components, modules);
  llvm::FunctionPassManager order;
  order.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  order.addPass(llvm::EarlyCSEPass(true));
  order.addPass(llvm::InstCombinePass());
  order.addPass(llvm::SimplifyCFGPass());
  order.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), true));
  order.addPass(llvm::EarlyCSEPass(true));
  order.addPass(llvm::InstCombinePass());
  for (llvm::Function& function : module) {
    if (!function.isDeclaration()) order.run(function, functions);
  }
}

// In place of LLVM's own, which ends the process.
void note_error(const llvm::DiagnosticInfo* info, void* trouble) {
  if (info->getSeverity() != llvm::DS_Error) return;
  llvm::raw_string_ostream out(*static_cast<std::string*>(trouble));
  llvm::DiagnosticPrinterRawOStream printer(out);
  info->print(printer);
}

void check(const llvm::Module& module, const std::string& name) {
  std::string message;
  llvm::raw_string_ostream out(message);
  if (llvm::verifyModule(module, &out)) {
    throw CompileError("kernel compiler: " + name + " became wrong LLVM IR: " + message);
  }
}

void check(const Kernel& kernel) {
  if (const auto wrong = verify(kernel)) {
    throw CompileError("kernel compiler: kernel " + kernel.name + ": " + *wrong);
  }
}

}  // namespace

std::string host_key() {
  const auto builder = host();
  return std::string("llvm " LLVM_VERSION_STRING " ") + builder.getTargetTriple().str() + " " +
         builder.getCPU() + " " + builder.getFeatures().getString();
}

std::string print_llvm(const Kernel& kernel) {
  check(kernel);
  llvm::LLVMContext context;
  llvm::Module module(kernel.name, context);
  emit(kernel, module, shape_of(host()));
  std::string text;
  llvm::raw_string_ostream out(text);
  module.print(out, nullptr);
  return text;
}

std::vector<std::byte> compile_object(std::span<const Kernel> kernels,
                                      std::span<const External> callable) {
  auto builder = host();
  auto machine = take("this CPU", builder.createTargetMachine());
  llvm::LLVMContext context;
  std::string trouble;
  context.setDiagnosticHandlerCallBack(&note_error, &trouble);
  llvm::Module module("kernels", context);
  module.setTargetTriple(machine->getTargetTriple().str());
  module.setDataLayout(machine->createDataLayout());
  declare_vector_functions(module, callable, shape_of(builder).lanes * 4);
  for (const Kernel& kernel : kernels) {
    check(kernel);
    if (module.getFunction(kernel.name) != nullptr) {
      throw CompileError("kernel compiler: two kernels are named " + kernel.name);
    }
    emit(kernel, module, shape_of(builder));
  }
  check(module, "a module");
  optimise(module, *machine);
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream out(object);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, out, nullptr, llvm::CodeGenFileType::ObjectFile)) {
    throw CompileError("kernel compiler: LLVM writes no object code for this CPU");
  }
  codegen.run(module);
  if (!trouble.empty()) throw CompileError("kernel compiler: LLVM: " + trouble);
  const std::string head = std::string(kMagic) + host_key() + '\n';
  std::vector<std::byte> bytes(head.size() + object.size());
  std::memcpy(bytes.data(), head.data(), head.size());
  std::memcpy(bytes.data() + head.size(), object.data(), object.size());
  return bytes;
}

std::string_view object_code(std::span<const std::byte> object) {
  const std::string_view text(reinterpret_cast<const char*>(object.data()), object.size());
  const size_t end = text.find('\n', kMagic.size());
  if (!text.starts_with(kMagic) || end == std::string_view::npos) {
    throw CompileError("kernel loader: these bytes are no compiled kernels; compile them again");
  }
  const std::string_view key = text.substr(kMagic.size(), end - kMagic.size());
  if (key != host_key()) {
    throw CompileError("kernel loader: compiled for another machine (" + std::string(key) +
                       "); compile the kernels again on this one");
  }
  return text.substr(end + 1);
}

}  // namespace trireme::compile
