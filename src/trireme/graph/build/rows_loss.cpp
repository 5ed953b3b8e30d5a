// SPDX-License-Identifier: Apache-2.0
// Losses that compare two tensors element by element. nll_loss: rows_nll_loss.cpp.
#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/reductions.h"

namespace trireme::graph {
namespace {

enum class Reduction : uint8_t { None = 0, Mean = 1, Sum = 2 };

Reduction reduction_of(const Lowering& lowering, size_t arg) {
  return static_cast<Reduction>(lowering.integer(arg));
}

// The loss of one element: value(loop, prediction, target).
template <class Value>
void loss(Lowering& lowering, size_t reduction_arg, Value value) {
  const Tensor& input = lowering.tensor(0);
  const Tensor& target = lowering.tensor(1);
  const Extents sizes = broadcast_sizes(std::vector{input.sizes, target.sizes});
  const DType compute = compute_type(promote(input.dtype, target.dtype));
  require(is_floating(compute), "a loss that is not of floating tensors");
  const Reduction reduction = reduction_of(lowering, reduction_arg);
  const auto element = [&](Loop& loop) {
    return value(loop, loop.load(input, compute), loop.load(target, compute));
  };
  if (reduction == Reduction::None) {
    Loop loop(lowering, sizes);
    loop.store(lowering.output(0), element(loop));
    loop.map();
    return;
  }
  const Tensor sum = lowering.temporary(compute, {});
  Loop loop(lowering, {}, sizes);
  loop.store(sum, element(loop));
  loop.reduce(ReduceOp::Sum);
  Loop finish(lowering, {});
  const Scalar total = finish.load(sum);
  finish.store(lowering.output(0),
               reduction == Reduction::Mean ? total / count_of(finish, sizes, compute) : total);
  finish.map();
}

// The derivative by the prediction: (grad, self, target, ...), slope(loop, prediction, target).
template <class Slope>
void loss_backward(Lowering& lowering, size_t reduction_arg, Slope slope) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& input = lowering.tensor(1);
  const Tensor& target = lowering.tensor(2);
  const Tensor& result = lowering.output(0);
  const DType compute = compute_type(promote(input.dtype, target.dtype));
  require(is_floating(compute), "a loss that is not of floating tensors");
  Loop loop(lowering, result.sizes);
  Scalar value =
      loop.load(grad, compute) * slope(loop, loop.load(input, compute), loop.load(target, compute));
  if (reduction_of(lowering, reduction_arg) == Reduction::Mean) {
    value = value / count_of(loop, result.sizes, compute);
  }
  loop.store(result, value);
  loop.map();
}

void mse(Lowering& lowering) {
  loss(lowering, 2, [](Loop& /*loop*/, Scalar x, Scalar y) { return (x - y) * (x - y); });
}

void mse_backward(Lowering& lowering) {
  loss_backward(lowering, 3, [](Loop& /*loop*/, Scalar x, Scalar y) { return (x - y) * 2.0; });
}

void smooth_l1(Lowering& lowering) {
  loss(lowering, 2, [&](Loop& loop, Scalar x, Scalar y) {
    const Scalar beta = loop.number(lowering.number(3), x.dtype());
    const Scalar z = abs(x - y);
    return select(z < beta, z * z * 0.5 / beta, z - beta * 0.5);
  });
}

void smooth_l1_backward(Lowering& lowering) {
  loss_backward(lowering, 3, [&](Loop& loop, Scalar x, Scalar y) {
    const Scalar beta = loop.number(lowering.number(4), x.dtype());
    const Scalar z = x - y;
    return select(z <= -beta, z.constant(-1), select(z >= beta, z.constant(1), z / beta));
  });
}

void huber(Lowering& lowering) {
  loss(lowering, 2, [&](Loop& loop, Scalar x, Scalar y) {
    const Scalar delta = loop.number(lowering.number(3), x.dtype());
    const Scalar z = abs(x - y);
    return select(z <= delta, z * z * 0.5, delta * (z - delta * 0.5));
  });
}

void huber_backward(Lowering& lowering) {
  loss_backward(lowering, 3, [&](Loop& loop, Scalar x, Scalar y) {
    const Scalar delta = loop.number(lowering.number(4), x.dtype());
    const Scalar z = x - y;
    return select(z <= -delta, -delta, select(z >= delta, delta, z));
  });
}

void soft_margin(Lowering& lowering) {
  loss(lowering, 2, [](Loop& /*loop*/, Scalar x, Scalar y) { return log1p(exp(-y * x)); });
}

void soft_margin_backward(Lowering& lowering) {
  loss_backward(lowering, 3, [](Loop& /*loop*/, Scalar x, Scalar y) {
    const Scalar z = exp(-y * x);
    return -y * z / (z + 1.0);
  });
}

// Logarithms are held above -100, as ATen does.
void binary_cross_entropy(Lowering& lowering) {
  loss(lowering, 3, [&](Loop& loop, Scalar x, Scalar y) {
    const auto held = [](Scalar value) { return maximum(value, value.constant(-100)); };
    const Scalar value = (y - 1.0) * held(log1p(-x)) - y * held(log(x));
    return lowering.given(2) ? value * loop.load(lowering.tensor(2), x.dtype()) : value;
  });
}

void binary_cross_entropy_backward(Lowering& lowering) {
  loss_backward(lowering, 4, [&](Loop& loop, Scalar x, Scalar y) {
    const Scalar flat = (1.0 - x) * x;
    const Scalar value = (x - y) / maximum(flat, flat.constant(1e-12));
    return lowering.given(3) ? value * loop.load(lowering.tensor(3), x.dtype()) : value;
  });
}

// (self, target, weight?, pos_weight?, reduction): (1 - y) x + w (log1p(exp(-|x|)) + max(-x, 0))
void binary_cross_entropy_with_logits(Lowering& lowering) {
  loss(lowering, 4, [&](Loop& loop, Scalar x, Scalar y) {
    const Scalar soft = log1p(exp(-abs(x))) + maximum(-x, x.constant(0));
    Scalar value = (1.0 - y) * x;
    if (lowering.given(3)) {
      const Scalar weight = loop.load(lowering.tensor(3), x.dtype());
      value = value + ((weight - 1.0) * y + 1.0) * soft;
    } else {
      value = value + soft;
    }
    return lowering.given(2) ? value * loop.load(lowering.tensor(2), x.dtype()) : value;
  });
}

}  // namespace

void add_loss_rows(OpTable& table) {
  table.add({"mse_loss", "mse_loss.out"}, mse);
  table.add({"mse_loss_backward", "mse_loss_backward.grad_input"}, mse_backward);
  table.add({"smooth_l1_loss", "smooth_l1_loss.out"}, smooth_l1);
  table.add({"smooth_l1_loss_backward", "smooth_l1_loss_backward.grad_input"}, smooth_l1_backward);
  table.add({"huber_loss", "huber_loss.out"}, huber);
  table.add({"huber_loss_backward", "huber_loss_backward.out"}, huber_backward);
  table.add({"soft_margin_loss", "soft_margin_loss.out"}, soft_margin);
  table.add({"soft_margin_loss_backward", "soft_margin_loss_backward.grad_input"},
            soft_margin_backward);
  table.add({"binary_cross_entropy", "binary_cross_entropy.out"}, binary_cross_entropy);
  table.add({"binary_cross_entropy_backward", "binary_cross_entropy_backward.grad_input"},
            binary_cross_entropy_backward);
  table.add({"binary_cross_entropy_with_logits"}, binary_cross_entropy_with_logits);
  add_nll_loss_rows(table);
}

}  // namespace trireme::graph
