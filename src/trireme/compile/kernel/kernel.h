// SPDX-License-Identifier: Apache-2.0
// The kernel IR: loop nests over buffers. It knows loops, affine index maps and reductions, and
// nothing of graph nodes or of a code generator.
//
// The top-level statements of a kernel are loops. Its range is their trip counts one after the
// other (so that many small loops make one kernel); the caller runs pieces [begin, end) of it, in
// any order and on any thread. Everything below a top-level loop runs within one point of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "trireme/graph/ir/dtype.h"
#include "trireme/graph/ir/expression.h"
#include "trireme/graph/ir/extent.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

using graph::DType;
using graph::Extent;
using graph::ReduceOp;
using graph::ScalarOp;

using LoopId = uint32_t;
using RegisterId = uint32_t;
using AccumulatorId = uint32_t;

// offset + sum of loop variable * stride + sum of register (integral) * stride; counts elements.
struct Index {
  struct LoopTerm {
    LoopId loop = 0;
    Extent stride = 1;
  };
  struct RegisterTerm {
    RegisterId value = 0;
    Extent stride = 1;
  };
  Extent offset = 0;
  std::vector<LoopTerm> loops{};
  std::vector<RegisterTerm> registers{};
};

// Elements of a buffer parameter, or of an array that each thread has for itself.
struct Place {
  enum class Kind : uint8_t { Buffer, Scratch };
  Kind kind = Kind::Buffer;
  uint32_t number = 0;
  Index index{};
};

// to = op(args). Leaves: Constant, and Number (the kernel's number `index`). A register of f16 or
// bf16 holds a value of that type; computing rounds to it.
struct Compute {
  RegisterId to = 0;
  ScalarOp op = ScalarOp::Constant;
  DType dtype = DType::Float32;
  std::array<RegisterId, 3> args{};
  uint32_t index = 0;
  int64_t integer = 0;
  double value = 0;
};

// to (i64) = the index: coordinates and sizes as numbers.
struct Affine {
  RegisterId to = 0;
  Index index{};
};

// to = the element of the random parameter's stream at a position (i64; row-major in the node that
// draws: docs/random.md). `parameters`: registers of f64, as many as parameter_count. `dtype`: of
// `to`; floating where the distribution is continuous.
struct Draw {
  RegisterId to = 0;
  graph::Distribution distribution = graph::Distribution::Uniform;
  DType dtype = DType::Float32;
  uint32_t random = 0;  // number of the kernel's random parameter
  RegisterId position = 0;
  std::array<RegisterId, 2> parameters{};
};

// Two, of Bernoulli and Exponential one.
size_t parameter_count(graph::Distribution distribution);

// With a mask (bool): nothing is read where it does not hold, and the register is 0.
struct Load {
  RegisterId to = 0;
  Place from{};
  std::optional<RegisterId> mask{};
};

// The register has the place's dtype. With a mask: written only where it holds.
struct Store {
  RegisterId value = 0;
  Place to{};
  std::optional<RegisterId> mask{};
};

// Begins a reduction, empty at this statement. The dtype is that of the values.
struct Declare {
  AccumulatorId accumulator = 0;
  ReduceOp op = ReduceOp::Sum;
  DType dtype = DType::Float32;
};

// Takes a value in. ArgMaximum and ArgMinimum: with its position (i64).
struct Update {
  AccumulatorId accumulator = 0;
  RegisterId value = 0;
  std::optional<RegisterId> position{};
};

// What was taken in so far. Welford: mean, sum of squared differences; ArgMaximum, ArgMinimum: the
// position; else one register.
struct Read {
  AccumulatorId accumulator = 0;
  RegisterId to = 0;
  std::optional<RegisterId> second{};
};

struct Statement;

enum class LoopKind : uint8_t {
  Serial,
  Vector,  // its points are independent but for accumulators; vector loops do not nest
};

struct Loop {
  LoopId id = 0;
  Extent count = 1;  // trips
  LoopKind kind = LoopKind::Serial;
  std::vector<Statement> body;
};

struct Statement {
  std::variant<Compute, Affine, Draw, Load, Store, Declare, Update, Read, Loop> is;
};

struct BufferParameter {
  DType dtype = DType::Float32;
  bool written = false;
};

struct ScratchArray {
  DType dtype = DType::Float32;
  int64_t count = 0;  // elements
};

struct Kernel {
  std::string name;  // a C identifier
  std::vector<BufferParameter> buffers{};
  std::vector<DType> numbers{};  // of the scalar parameters: i64, f64 or bool
  // Random parameters: each is two scalars (seed, offset) behind those of the numbers.
  uint32_t randoms = 0;
  uint32_t symbols = 0;
  std::vector<ScratchArray> scratch{};
  uint32_t registers = 0;  // how many
  uint32_t loops = 0;
  uint32_t accumulators = 0;
  std::vector<Loop> body{};
};

// Where a scratch array begins, in bytes, and how many bytes all take (of index scratch.size()).
// Arrays are aligned to 64 bytes.
size_t scratch_offset(const Kernel& kernel, size_t array);

// The whole range of a kernel.
Extent range_of(const Kernel& kernel);

// What is wrong with a kernel; none: nothing. Checks that registers are computed before they are
// used and have the dtypes their users want, that loops and accumulators are used inside of their
// blocks, that vector loops do not nest, and that numbers of parameters exist.
std::optional<std::string> verify(const Kernel& kernel);

// As text, for people; kernels with one text are equal.
std::string print(const Kernel& kernel);

}  // namespace trireme::compile
