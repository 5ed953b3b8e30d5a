// SPDX-License-Identifier: Apache-2.0
// Writing a row whose result depends, at each point, on its arguments at this point, with the
// type promotion of PyTorch's TensorIterator.
//
//   Pointwise p(lowering, {0, 1});  // arguments 0 and 1, tensors or numbers, decide the type
//   p.finish(p[0] + p[1]);
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/lowering.h"
#include "trireme/graph/build/scalar.h"

namespace trireme::graph {

class Pointwise {
 public:
  enum class Integers : uint8_t {
    Stay,
    BecomeFloating,  // as division, sqrt, ...
  };

  // The iteration space is that of output 0, to which tensors are broadcast. Those among `args` are
  // loaded, in this order. Arguments that are not given decide nothing.
  Pointwise(Lowering& lowering, std::initializer_list<size_t> args,
            Integers integers = Integers::Stay);

  // The type that the arguments have in common ...
  DType dtype() const { return dtype_; }
  // ... and the one that is computed in.
  DType compute() const { return compute_type(dtype_); }

  // A tensor's element or a number, converted to dtype() and from there to compute().
  Scalar operator[](size_t arg) { return argument(arg, dtype_); }
  // The same without the rounding to dtype(): what ATen takes in its "opmath" type.
  Scalar exact(size_t arg);
  // ... of an argument that may be missing.
  Scalar exact_or(size_t arg, double otherwise);
  // A tensor's element at its own type.
  Scalar raw(size_t arg) { return loop_.load(lowering_.tensor(arg)); }
  Scalar constant(double value);  // at compute()
  // A value of type compute() as it would be stored in dtype().
  Scalar rounded(Scalar value) const { return cast(cast(value, dtype_), compute()); }

  bool given(size_t arg) const { return lowering_.given(arg); }
  Loop& loop() { return loop_; }

  // The value is what the target holds. One of type compute() is rounded to dtype() first.
  void store(const Tensor& target, Scalar value);
  void map() { loop_.map(); }
  // Stores to output 0, and ends the map.
  void finish(Scalar value);

 private:
  Scalar argument(size_t arg, DType dtype);
  Scalar number(const Number& number, DType dtype);

  Lowering& lowering_;
  Loop loop_;
  DType dtype_;
};

// The number's value, where it is known and real: only for telling whether Lowering::fixed is
// worth its guard.
std::optional<double> likely_value(const Number& number);
// Whether argument `arg` is the number `value`; from then on, the graph holds for this value only.
bool is_fixed_at(Lowering& lowering, size_t arg, double value);
bool is_fixed_at(Lowering& lowering, const Number& number, double value);

}  // namespace trireme::graph
