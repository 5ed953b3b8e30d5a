// SPDX-License-Identifier: Apache-2.0
// From a Contract node to a matrix product.
//
// Every dimension of the iteration space is of one class, by who moves along it: a batch dimension
// (both operands and the result), M (the first operand and the result), N (the second and the
// result) or K (both operands, summed). Neighbouring dimensions of a class are merged where strides
// allow; of several M or N that are left, all but one become batch dimensions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/library/gemm.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// A Contract with the values of its symbols, and what is read for its post-ops.
struct ContractShape {
  struct Tensor {
    DType dtype = DType::Float32;
    std::vector<int64_t> strides{};  // operands: one per dimension; result: per parallel dimension
    int64_t offset = 0;              // elements
  };
  std::vector<int64_t> dims{};  // parallel, then reduction
  size_t parallel = 0;
  std::array<Tensor, 2> operands{};
  Tensor result{};
  std::vector<Tensor> others{};  // strides as the result's; 0 where they repeat
};

// `node` is a Contract. Its operands' views have all dimensions of the iteration space.
ContractShape shape_of(const graph::Node& node, std::span<const int64_t> symbols);

// An operand that has to be made dense before: row-major over `sizes`, read with `strides` from the
// operand's offset on.
struct ContractCopy {
  std::vector<int64_t> sizes{};
  std::vector<int64_t> strides{};
  bool operator==(const ContractCopy&) const = default;
};

// The product, in place but for copies. The first operand is A.
struct ContractGemm {
  GemmProblem problem{};
  // In elements; of a copied operand: 0, into the copy.
  int64_t a_offset = 0;
  int64_t b_offset = 0;
  int64_t c_offset = 0;
  std::optional<ContractCopy> copy_a{};
  std::optional<ContractCopy> copy_b{};
  // How the shape's others lie, and where they begin.
  std::vector<GemmMatrix> others{};
  std::vector<int64_t> other_offsets{};
  bool operator==(const ContractGemm&) const = default;
};

struct ContractResult {
  std::optional<ContractGemm> gemm{};
  std::string reason{};  // why it is no product
};

// None where sizes are zero (an empty sum is zero, an empty result nothing), where a dimension is
// an operand's alone and summed (a reduction of that operand comes first), or where the result
// repeats along a dimension that neither operand has.
ContractResult contract_to_gemm(const ContractShape& shape);

}  // namespace trireme::compile
