// SPDX-License-Identifier: Apache-2.0
// Matrix products: one Contract; what is added and applied is a Map over its result in the compute
// type.
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// Two arguments over one iteration space, parallel dimensions first.
struct Factors {
  Tensor left;
  Tensor right;
  Extents space;
  size_t parallel;
  Extents result_sizes() const {
    return {space.begin(), space.begin() + static_cast<ptrdiff_t>(parallel)};
  }
};

Factors factors(Lowering& lowering, const Tensor& left, std::span<const size_t> left_at,
                const Tensor& right, std::span<const size_t> right_at, Extents space,
                size_t parallel) {
  require(left.dtype == right.dtype, "a product of two dtypes");
  require(left.dtype != DType::Bool, "a product of bool");
  const auto fits = [&](const Tensor& tensor, std::span<const size_t> at) {
    require(tensor.rank() == at.size(), "factors of other dimensions");
    for (size_t i = 0; i < at.size(); ++i) {
      require(tensor.sizes[i] == space[at[i]], "factors whose sizes differ");
    }
  };
  fits(left, left_at);
  fits(right, right_at);
  Factors made{.left = placed(lowering.plain(left), space, left_at),
               .right = placed(lowering.plain(right), space, right_at),
               .space = {},
               .parallel = parallel};
  made.space = std::move(space);
  return made;
}

// The target, of the result's sizes, becomes the sum of products.
void contract(Lowering& lowering, const Factors& f, const Tensor& target) {
  require(target.sizes == f.result_sizes(), "a product of other sizes");
  lowering.append(Contract{}, f.space, f.parallel, {lowering.read(f.left), lowering.read(f.right)},
                  std::span(&target, 1));
}

void contract_to_output(Lowering& lowering, const Factors& f, const Tensor& output) {
  const Tensor made = writable(lowering, output, f.left.dtype);
  contract(lowering, f, made);
  finish(lowering, made, output);
}

Tensor product_of(Lowering& lowering, const Factors& f) {
  Tensor result = lowering.temporary(compute_type(f.left.dtype), f.result_sizes());
  contract(lowering, f, result);
  return result;
}

Factors matrices(Lowering& lowering, const Tensor& left, const Tensor& right) {
  require(left.rank() == 2 && right.rank() == 2, "factors that are no matrices");
  constexpr std::array<size_t, 2> kLeft = {0, 2};
  constexpr std::array<size_t, 2> kRight = {2, 1};
  return factors(lowering, left, kLeft, right, kRight,
                 {left.sizes[0], right.sizes[1], left.sizes[1]}, 2);
}

Factors batches(Lowering& lowering, const Tensor& left, const Tensor& right) {
  require(left.rank() == 3 && right.rank() == 3, "factors that are no batches of matrices");
  constexpr std::array<size_t, 3> kLeft = {0, 1, 3};
  constexpr std::array<size_t, 3> kRight = {0, 3, 2};
  return factors(lowering, left, kLeft, right, kRight,
                 {left.sizes[0], left.sizes[1], right.sizes[2], left.sizes[2]}, 3);
}

// The sum over the batch, too.
Factors summed_batches(Lowering& lowering, const Tensor& left, const Tensor& right) {
  require(left.rank() == 3 && right.rank() == 3, "factors that are no batches of matrices");
  constexpr std::array<size_t, 3> kLeft = {2, 0, 3};
  constexpr std::array<size_t, 3> kRight = {2, 3, 1};
  return factors(lowering, left, kLeft, right, kRight,
                 {left.sizes[1], right.sizes[2], left.sizes[0], left.sizes[2]}, 2);
}

Factors matrix_vector(Lowering& lowering, const Tensor& matrix, const Tensor& vector) {
  require(matrix.rank() == 2 && vector.rank() == 1, "factors that are no matrix and vector");
  constexpr std::array<size_t, 2> kLeft = {0, 1};
  constexpr std::array<size_t, 1> kRight = {1};
  return factors(lowering, matrix, kLeft, vector, kRight, matrix.sizes, 1);
}

Factors vectors(Lowering& lowering, const Tensor& left, const Tensor& right) {
  require(left.rank() == 1, "factors that are no vectors");
  constexpr std::array<size_t, 1> kAt = {0};
  return factors(lowering, left, kAt, right, kAt, left.sizes, 0);
}

// [..., K] and [N, K]: [..., N]
Factors linear_factors(Lowering& lowering, const Tensor& input, const Tensor& weight) {
  require(input.rank() >= 1 && weight.rank() == 2, "factors that are no batch and matrix");
  Extents space(input.sizes.begin(), input.sizes.end() - 1);
  std::vector<size_t> input_at(space.size());
  std::iota(input_at.begin(), input_at.end(), 0);
  const size_t parallel = space.size() + 1;
  space.push_back(weight.sizes[0]);
  space.push_back(weight.sizes[1]);
  input_at.push_back(parallel);
  const std::array<size_t, 2> weight_at = {parallel - 1, parallel};
  return factors(lowering, input, input_at, weight, weight_at, std::move(space), parallel);
}

// --- beta * self + alpha * product ---

// 0 or 1, where the number is and stays that; then the graph holds for it only.
std::optional<int> zero_or_one(Lowering& lowering, const Number& number) {
  if (number.varies || is_complex(number.dtype)) return std::nullopt;
  const double value =
      number.dtype == DType::Float64 ? number.real : static_cast<double>(number.integer);
  if (value != 0 && value != 1) return std::nullopt;
  lowering.fixed(number);
  return static_cast<int>(value);
}

void require_number_of(const Number& number, DType dtype) {
  require(!is_integral(dtype) || is_integral(number.dtype), "a floating factor of integers");
  require(is_complex(dtype) || !is_complex(number.dtype), "a complex factor of real numbers");
}

// beta * self: nothing where beta is 0, whatever self holds.
std::optional<Scalar> scaled_self(Lowering& lowering, Loop& loop, const Tensor& self,
                                  const Number& beta, DType dtype) {
  const std::optional<int> plain = zero_or_one(lowering, beta);
  if (plain == 0) return std::nullopt;
  const Scalar value = loop.load(self, dtype);
  if (plain == 1) return value;
  const Scalar factor = loop.number(beta, dtype);
  const Scalar scaled = factor * value;
  if (!beta.input) return scaled;
  return select(factor == 0, scaled.constant(0), scaled);
}

enum class Activation : uint8_t { None, Relu, Gelu };

Scalar activated(Scalar value, Activation activation) {
  switch (activation) {
    case Activation::Relu:  // NaN stays
      return maximum(value, value.constant(0));
    case Activation::Gelu:
      return value * 0.5 * (apply(ScalarOp::Erf, value * (1 / std::numbers::sqrt2)) + 1);
    default:
      return value;
  }
}

// Arguments: self, two factors, beta, alpha.
void add_product(Lowering& lowering, const Factors& f, Activation activation = Activation::None) {
  const Tensor& output = lowering.output(0);
  const DType type = compute_type(f.left.dtype);
  const Number& beta = lowering.number(3);
  const Number& alpha = lowering.number(4);
  require_number_of(beta, type);
  require_number_of(alpha, type);
  const Tensor product = product_of(lowering, f);
  Loop loop(lowering, output.sizes);
  Scalar value = loop.load(product);
  if (zero_or_one(lowering, alpha) != 1) value = loop.number(alpha, type) * value;
  if (const auto self = scaled_self(lowering, loop, lowering.tensor(0), beta, type)) {
    value = *self + value;
  }
  loop.store(output, activated(value, activation));
  loop.map();
}

void mm_row(Lowering& lowering) {
  contract_to_output(lowering, matrices(lowering, lowering.tensor(0), lowering.tensor(1)),
                     lowering.output(0));
}

void bmm_row(Lowering& lowering) {
  contract_to_output(lowering, batches(lowering, lowering.tensor(0), lowering.tensor(1)),
                     lowering.output(0));
}

void mv_row(Lowering& lowering) {
  contract_to_output(lowering, matrix_vector(lowering, lowering.tensor(0), lowering.tensor(1)),
                     lowering.output(0));
}

void dot_row(Lowering& lowering) {
  contract_to_output(lowering, vectors(lowering, lowering.tensor(0), lowering.tensor(1)),
                     lowering.output(0));
}

void vdot_row(Lowering& lowering) {
  Tensor left = lowering.tensor(0);
  if (is_complex(left.dtype)) left.conj = !left.conj;
  contract_to_output(lowering, vectors(lowering, left, lowering.tensor(1)), lowering.output(0));
}

void int_mm_row(Lowering& lowering) {
  const Tensor left = lowering.materialise(lowering.tensor(0), DType::Int32);
  const Tensor right = lowering.materialise(lowering.tensor(1), DType::Int32);
  contract_to_output(lowering, matrices(lowering, left, right), lowering.output(0));
}

void addmm_row(Lowering& lowering) {
  add_product(lowering, matrices(lowering, lowering.tensor(1), lowering.tensor(2)));
}

void addmm_activation_row(Lowering& lowering) {
  const Factors f = matrices(lowering, lowering.tensor(1), lowering.tensor(2));
  require(is_floating(f.left.dtype), "an activation of integers or complex numbers");
  add_product(lowering, f, lowering.flag(5) ? Activation::Gelu : Activation::Relu);
}

void baddbmm_row(Lowering& lowering) {
  add_product(lowering, batches(lowering, lowering.tensor(1), lowering.tensor(2)));
}

void addbmm_row(Lowering& lowering) {
  add_product(lowering, summed_batches(lowering, lowering.tensor(1), lowering.tensor(2)));
}

void addmv_row(Lowering& lowering) {
  add_product(lowering, matrix_vector(lowering, lowering.tensor(1), lowering.tensor(2)));
}

// --- outer products: Maps ---

Scalar outer_product(Loop& loop, const Tensor& left, const Tensor& right, DType type) {
  require(left.rank() == 1 && right.rank() == 1, "an outer product of other than vectors");
  const Scalar value = loop.load(unsqueeze(left, 1), type);
  return value * loop.load(right, type);
}

void ger_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  Loop loop(lowering, output.sizes);
  loop.store(output, outer_product(loop, lowering.tensor(0), lowering.tensor(1),
                                   compute_type(output.dtype)));
  loop.map();
}

void addr_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const DType type = compute_type(output.dtype);
  require(output.dtype != DType::Bool, "addr of bool");
  const Number& beta = lowering.number(3);
  const Number& alpha = lowering.number(4);
  require_number_of(beta, type);
  require_number_of(alpha, type);
  Loop loop(lowering, output.sizes);
  Scalar value = outer_product(loop, lowering.tensor(1), lowering.tensor(2), type);
  if (zero_or_one(lowering, alpha) != 1) value = loop.number(alpha, type) * value;
  if (const auto self = scaled_self(lowering, loop, lowering.tensor(0), beta, type)) {
    value = *self + value;
  }
  loop.store(output, value);
  loop.map();
}

// --- linear ---

void linear_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const Factors f = linear_factors(lowering, lowering.tensor(0), lowering.tensor(1));
  if (!lowering.given(2)) return contract_to_output(lowering, f, output);
  const Tensor product = product_of(lowering, f);
  Loop loop(lowering, output.sizes);
  const Scalar value = loop.load(product);
  loop.store(output, value + loop.load(lowering.tensor(2), value.dtype()));
  loop.map();
}

// Gradients of input, weight and bias: [..., K], [N, K], [N], of a gradient [..., N]. Complex ones
// are conjugated.
void linear_backward_row(Lowering& lowering) {
  const Tensor& input = lowering.tensor(0);
  const Tensor& grad = lowering.tensor(1);
  const Tensor& weight = lowering.tensor(2);
  const std::vector<bool> wanted = lowering.flags(3);
  require(wanted.size() == 3 && is_floating(input.dtype), "gradients of other than real numbers");
  if (wanted[0]) {
    contract_to_output(lowering, linear_factors(lowering, grad, transpose(weight, 0, 1)),
                       lowering.output(0));
  }
  const size_t batch = input.rank() - 1;
  if (wanted[1]) {
    std::vector<size_t> grad_at(batch);
    std::iota(grad_at.begin(), grad_at.end(), 2);
    std::vector<size_t> input_at = grad_at;
    grad_at.push_back(0);
    input_at.push_back(1);
    Extents space = {grad.sizes[batch], input.sizes[batch]};
    space.insert(space.end(), input.sizes.begin(), input.sizes.end() - 1);
    contract_to_output(lowering,
                       factors(lowering, grad, grad_at, input, input_at, std::move(space), 2),
                       lowering.output(1));
  }
  if (wanted[2]) {
    std::vector<size_t> dims(batch);
    std::iota(dims.begin(), dims.end(), 0);
    const Tensor ordered = permute(grad, parallel_first(grad.rank(), dims));
    Loop loop(lowering, {ordered.sizes[0]},
              Extents(ordered.sizes.begin() + 1, ordered.sizes.end()));
    loop.store(lowering.output(2), loop.load(ordered, compute_type(grad.dtype)));
    loop.reduce(ReduceOp::Sum);
  }
}

}  // namespace

void add_contract_rows(OpTable& table) {
  table.add({"mm", "mm.out"}, mm_row);
  table.add({"bmm", "bmm.out"}, bmm_row);
  table.add({"mv", "mv.out"}, mv_row);
  table.add({"dot", "dot.out"}, dot_row);
  table.add({"vdot", "vdot.out"}, vdot_row);
  table.add({"_int_mm", "_int_mm.out"}, int_mm_row);
  table.add({"addmm", "addmm_", "addmm.out"}, addmm_row);
  table.add({"_addmm_activation", "_addmm_activation.out"}, addmm_activation_row);
  table.add({"baddbmm", "baddbmm_", "baddbmm.out"}, baddbmm_row);
  table.add({"addbmm", "addbmm_", "addbmm.out"}, addbmm_row);
  table.add({"addmv", "addmv_", "addmv.out"}, addmv_row);
  table.add({"ger", "ger.out", "outer", "outer.out"}, ger_row);
  table.add({"addr", "addr_", "addr.out"}, addr_row);
  table.add({"linear", "linear.out", "mkldnn_linear", "mkldnn_linear.out"}, linear_row);
  table.add({"linear_backward", "linear_backward.out"}, linear_backward_row);
}

}  // namespace trireme::graph
