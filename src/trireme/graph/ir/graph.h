// SPDX-License-Identifier: Apache-2.0
// The IR: typed SSA values over a dozen primitives; views as index maps; no mutation.
//
// A value is flat: `count` elements of one dtype, what a storage holds at one moment. Nodes read
// values through views and write them through views. A write that leaves elements of a storage as
// they are makes a new value on top of the storage's old one (`Result::base`); whether the two
// share memory is the memory planner's business.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "trireme/graph/ir/dtype.h"
#include "trireme/graph/ir/expression.h"
#include "trireme/graph/ir/extent.h"
#include "trireme/graph/ir/view.h"

namespace trireme::graph {

using ValueId = uint32_t;
inline constexpr ValueId kNoValue = UINT32_MAX;

struct Value {
  DType dtype = DType::Float32;
  Extent count = 0;  // elements
};

// How a node reads a value.
struct Operand {
  ValueId value = kNoValue;
  // How the elements are read: the value's bytes, taken as elements of this dtype, which the view
  // counts in (a complex value read as pairs of reals).
  DType dtype = DType::Float32;
  View view;
};

// How a node writes a value. No two points of the iteration space may write one element.
struct Result {
  ValueId value = kNoValue;
  DType dtype = DType::Float32;  // as in Operand
  View view;
  ValueId base = kNoValue;  // what the elements outside of the view are; none: the view covers all
};

// --- primitives ---
// Each says what the sizes of its operands' and results' views mean. P: the parallel dimensions of
// the iteration space, in order; R: its reduction dimensions; PR: both, P first.

// result[k][P] = expression.roots[k] at P. Operands and results: P.
struct Map {
  Expression expression;
};

enum class ReduceOp : uint8_t {
  Sum,  // integers wrap; the accumulator of f16 and bf16 is f32
  Product,
  Maximum,  // NaN wins
  Minimum,
  Any,  // bool
  All,
  ArgMaximum,  // i64: row-major position within R of the first maximum; NaN wins
  ArgMinimum,
  Welford,    // two results: mean and sum of squared differences from it
  LogSumExp,  // online
};

// result[P] = reduction over R of the expression at PR. Operands: PR; results: P. One result per
// root, Welford: two for its one root. The expression's dtype is the accumulator's; the results
// have it too, or i64 for ArgMaximum and ArgMinimum.
struct Reduce {
  ReduceOp op = ReduceOp::Sum;
  Expression expression;
};

// result[P] = sum over R of operand[0][PR] * operand[1][PR], accumulated in the compute type or
// wider. An operand has stride 0 along the dimensions that it has not.
struct Contract {};

enum class ConvolveKind : uint8_t { Forward, GradInput, GradWeight };

// Operands: Forward (input, weight), GradInput (grad of output, weight), GradWeight (grad of
// output, input); no bias. Views as PyTorch's: input [N, C, spatial...], weight [Cout, C / groups,
// kernel...] (transposed: [C, Cout / groups, kernel...]), output [N, Cout, spatial...].
struct Convolve {
  ConvolveKind kind = ConvolveKind::Forward;
  Extents stride;
  Extents padding;
  Extents dilation;
  Extents output_padding;
  Extent groups = 1;
  bool transposed = false;
};

// A number that an attribute holds: the graph's scalar input, or a constant.
struct NumberRef {
  std::optional<uint32_t> input;
  double constant = 0;
  bool operator==(const NumberRef&) const = default;
};

// Scaled dot product attention: softmax(scale * q k^T + mask) v.
// Forward: operands q [B, H, L, D], k [B, G, S, D], v [B, G, S, E], with `masked` a mask [B, H, L,
// S] added to the scores (floating) or telling which take part (bool); results out [B, H, L, E] and
// the logarithm of the sum of exponentials [B, H, L]. H is a multiple of G. Backward: operands grad
// of out, q, k, v, out, logarithm, and the mask; results grads of q, k, v.
struct Attend {
  bool backward = false;
  bool masked = false;
  bool causal = false;  // L aligned with S at the first row and column
  NumberRef scale;
};

// One indexed dimension of a gather or scatter: i = the index operand at this point; the element is
// moved by i * stride.
struct IndexedDim {
  Extent stride = 1;
  Extent bound = 1;
  bool wraps = true;  // a negative index counts from `bound`; else it is out of bounds
  bool operator==(const IndexedDim&) const = default;
};

// result[P] = operand[0] at its view of P (stride 0 along P where only indices decide), moved by
// every index. Operands: source, then one i64 or i32 index per IndexedDim, each P. An index outside
// its bound is an error of the program, raised with the op's line.
struct Gather {
  std::vector<IndexedDim> indexed;
};

enum class ScatterOp : uint8_t { Set, Add, Product, Maximum, Minimum };

// The base, with operand[0][P] put or combined at the result's view of P, moved by every index.
// Operands: updates, then the indices, each P. Where points meet, Add and Product take them in
// order of P; of Set, any one wins.
struct Scatter {
  ScatterOp op = ScatterOp::Set;
  std::vector<IndexedDim> indexed;
};

enum class ScanOp : uint8_t { Sum, Product, Maximum, Minimum, LogSumExp };

// Cumulative reduction along dimension `dim` of P. Maximum and Minimum have a second result, the
// i64 positions along `dim`.
struct Scan {
  ScanOp op = ScanOp::Sum;
  uint32_t dim = 0;
};

// Sorts along dimension `dim` of the operand's view. Results: values and i64 positions; with
// `take`, only the first so many (topk).
struct Sort {
  uint32_t dim = 0;
  bool descending = false;
  bool stable = false;
  std::optional<Extent> take;
};

enum class Distribution : uint8_t {
  Uniform,    // [from, to)
  Normal,     // mean, standard deviation
  Bernoulli,  // p: 1 with this probability, else 0
  Exponential,
  Integer,  // uniform over [from, to)
};

// result[P] drawn from the device's generator: a function of the call's random input (seed and
// offset) and the row-major position in P. See docs/random.md.
struct Random {
  Distribution distribution = Distribution::Uniform;
  uint32_t state = 0;  // number of the graph's random input
  std::vector<NumberRef> parameters;
};

// What an opaque node runs; known to the room that made it.
class OpaqueCall {
 public:
  OpaqueCall() = default;
  OpaqueCall(const OpaqueCall&) = delete;
  OpaqueCall& operator=(const OpaqueCall&) = delete;
  virtual ~OpaqueCall() = default;
  virtual std::string name() const = 0;  // aten::linalg_svd
};

// One ATen call, as recorded. Operands: its tensor arguments; a result with a base is an argument
// that it writes, the others are its fresh outputs.
struct Opaque {
  std::shared_ptr<const OpaqueCall> call;
};

using Primitive = std::variant<Map, Reduce, Contract, Convolve, Attend, Gather, Scatter, Scan, Sort,
                               Random, Opaque>;

std::string_view name_of(const Primitive& primitive);

struct Node {
  Primitive primitive;
  Extents dims{};         // the iteration space: parallel dimensions, then reduction dimensions
  uint32_t parallel = 0;  // how many of them are parallel
  std::vector<Operand> operands{};
  std::vector<Result> results{};
  uint32_t call = 0;  // which call of the segment it came from

  template <class T>
  const T* as() const {
    return std::get_if<T>(&primitive);
  }
  template <class T>
  T* as() {
    return std::get_if<T>(&primitive);
  }
};

// A value that the graph leaves: what the storage of the input `input` holds afterwards, or a new
// storage's.
struct Output {
  ValueId value = kNoValue;
  std::optional<uint32_t> input;
};

struct Graph {
  std::vector<Value> values;
  std::vector<ValueId> inputs;
  std::vector<Output> outputs;
  std::vector<DType> numbers;  // of the scalar inputs: i64, f64, bool or c128
  uint32_t symbols = 0;        // how many
  uint32_t randoms = 0;        // random inputs: seed and offset of a call
  std::vector<Node> nodes;     // producers before users

  ValueId add_value(DType dtype, Extent count);
  ValueId add_input(DType dtype, Extent count);
};

// Where each value is made and read. Valid until the graph changes.
struct Uses {
  struct Use {
    uint32_t node;
    uint32_t operand;  // kBase: as the base of a result
  };
  static constexpr uint32_t kBase = UINT32_MAX;
  static constexpr uint32_t kNoNode = UINT32_MAX;

  explicit Uses(const Graph& graph);
  std::vector<uint32_t> maker;         // by value: the node, or kNoNode of an input
  std::vector<std::vector<Use>> uses;  // by value
  std::vector<bool> leaves;            // by value: whether it is an output
};

}  // namespace trireme::graph
