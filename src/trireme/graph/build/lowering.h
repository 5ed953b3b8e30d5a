// SPDX-License-Identifier: Apache-2.0
// What a row of the op table works with: the arguments of the call, and the building of nodes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trireme/graph/build/graph_builder.h"
#include "trireme/graph/build/op_call.h"
#include "trireme/graph/build/promotion.h"
#include "trireme/graph/build/tensor_views.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// A row that finds that it does not cover these arguments throws this, at any point: what it added
// is taken back and the call becomes an opaque node. `what` tells explain why.
class Declined : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void decline(const std::string& why);
inline void require(bool holds, const char* what) {
  if (!holds) decline(what);
}

class Lowering {
 public:
  Lowering(GraphBuilder& builder, const OpCall& call) : builder_(builder), call_(call) {}

  // --- arguments, by position in the schema; asking for another kind than given is Declined ---
  const OpCall& call() const { return call_; }
  bool given(size_t arg) const;  // not None, and not an undefined tensor
  const Tensor& tensor(size_t arg) const;
  std::span<const Tensor> tensors(size_t arg) const;
  const Number& number(size_t arg) const;
  std::span<const Number> numbers(size_t arg) const;
  bool flag(size_t arg) const;
  std::vector<bool> flags(size_t arg) const;
  const Extent& extent(size_t arg) const;
  const Extents& extents(size_t arg) const;
  int64_t integer(size_t arg) const;  // declines where it depends on a symbol
  // A place within `size`, given from its end where it is a negative constant. Where it depends on
  // a symbol, the graph holds while it is not negative.
  Extent place(size_t arg, const Extent& size);
  // Ints that depend on no symbol; a single int counts as a list of one.
  std::vector<int64_t> integers(size_t arg) const;
  std::optional<DType> dtype(size_t arg) const;
  std::string_view text(size_t arg) const;
  // The value of a number that the row decides by; from then on the graph holds for this value
  // only. Declines where it is known to vary or complex.
  double fixed(const Number& number);

  size_t output_count() const { return call_.outputs.size(); }
  const Tensor& output(size_t index) const { return call_.outputs.at(index); }

  Promotion promotion() const { return Promotion(call_.default_dtype); }

  // --- building ---
  // A new tensor, row-major, that only this graph sees.
  Tensor temporary(DType dtype, const Extents& sizes);
  // The tensor's elements, cast to `dtype`, in a new tensor; conj and neg resolved.
  Tensor materialise(const Tensor& tensor, DType dtype);
  // The tensor itself where it is plain (no conj, neg, host number), else a copy that is.
  Tensor plain(const Tensor& tensor);
  Operand read(const Tensor& tensor) { return builder_.read(tensor); }
  // Adds a node that writes the targets: see GraphBuilder::append.
  void append(Primitive primitive, Extents dims, size_t parallel, std::vector<Operand> operands,
              std::span<const Tensor> targets) {
    builder_.append(std::move(primitive), std::move(dims), parallel, std::move(operands), targets);
  }
  GraphBuilder& builder() { return builder_; }

 private:
  GraphBuilder& builder_;
  const OpCall& call_;
};

}  // namespace trireme::graph
