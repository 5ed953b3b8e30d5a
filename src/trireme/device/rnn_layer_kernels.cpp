// SPDX-License-Identifier: Apache-2.0
// On CPU tensors. The forward pass does what rnn_step does, operation for operation: its values are
// the same to the bit. The backward pass makes the gradients of the weights by one product over all
// steps, where PyTorch's adds one product per step.
#include "trireme/device/rnn_layer_kernels.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "trireme/record/rnn_layer_rules.h"

namespace trireme::device {
namespace {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

// The planes of `kept`, [rows, hidden] each. The last is h.
namespace lstm {
enum Plane : uint8_t { kIn, kForget, kCell, kOut, kC, kH, kCount };
}
namespace gru {
enum Plane : uint8_t { kReset, kUpdate, kFresh, kByHidden, kH, kCount };
}
static_assert(record::kRnnPlanes == std::array<int64_t, 4>{lstm::kCount, gru::kCount, 1, 1});
int64_t planes_of(Cell cell) { return record::kRnnPlanes.at(static_cast<size_t>(cell)); }

struct Step {
  int64_t offset, rows;
  Tensor of(const Tensor& all) const { return all.narrow(0, offset, rows); }
};

// In the order in which they are run.
std::vector<Step> steps_of(int64_t rows, int64_t batch, const MaybeTensor& batch_sizes,
                           bool reverse) {
  std::vector<int64_t> sizes;
  if (batch_sizes) {
    const Tensor given = batch_sizes->contiguous();
    sizes.assign(given.const_data_ptr<int64_t>(), given.const_data_ptr<int64_t>() + given.numel());
  } else {
    sizes.assign(static_cast<size_t>(rows / batch), batch);
  }
  TORCH_CHECK(std::reduce(sizes.begin(), sizes.end()) == rows && sizes.front() == batch &&
                  std::is_sorted(sizes.rbegin(), sizes.rend()) && sizes.back() > 0,
              "trireme::rnn_layer: batch sizes should fall from ", batch, " and add up to ", rows);
  std::vector<Step> steps;
  int64_t offset = 0;
  for (const int64_t size : sizes) {
    steps.push_back({offset, size});
    offset += size;
  }
  if (reverse) std::reverse(steps.begin(), steps.end());
  return steps;
}

// One column block of [rows, n * hidden].
Tensor block(const Tensor& all, int64_t index, int64_t hidden, int64_t count = 1) {
  return all.narrow(1, index * hidden, count * hidden);
}

// The state of the sequences that run, while their number changes from step to step.
class Running {
 public:
  // Those that begin later begin from `source`; those that end leave theirs in `left`.
  Running(Tensor source, int64_t rows)
      : source_(std::move(source)),
        left_(at::empty(source_.sizes(), source_.options())),
        now_(source_.narrow(0, 0, rows)) {}

  const Tensor& of(int64_t rows) {
    const int64_t before = now_.size(0);
    if (rows > before) now_ = at::cat({now_, source_.narrow(0, before, rows - before)});
    if (rows < before) {
      left_.narrow(0, rows, before - rows).copy_(now_.narrow(0, rows, before - rows));
      now_ = now_.narrow(0, 0, rows);
    }
    return now_;
  }
  void set(Tensor state) { now_ = std::move(state); }
  Tensor end() {
    left_.narrow(0, 0, now_.size(0)).copy_(now_);
    return left_;
  }

 private:
  Tensor source_, left_, now_;
};

// --- forward ---

struct Forward {
  Cell cell;
  int64_t hidden;
  Tensor gates, transposed;  // transposed: the weight
  MaybeTensor bias;
  Tensor planes;  // of all rows, or of one step's
  bool keep;
  Tensor by_hidden, scratch;  // of the most rows

  Tensor plane(int64_t index, const Step& step) const {
    return planes[index].narrow(0, keep ? step.offset : 0, step.rows);
  }

  Tensor product(const Tensor& h, const Step& step) const {
    Tensor result = by_hidden.narrow(0, 0, step.rows);
    if (bias) return at::addmm_out(result, *bias, h, transposed);
    return at::mm_out(result, h, transposed);
  }

  void run_lstm(const Tensor& h, const Tensor& c_before, const Step& step, Tensor& out) const {
    const Tensor sum = product(h, step).add_(step.of(gates));
    Tensor in = plane(lstm::kIn, step);
    Tensor forget = plane(lstm::kForget, step);
    Tensor fresh = plane(lstm::kCell, step);
    Tensor exit = plane(lstm::kOut, step);
    Tensor c = plane(lstm::kC, step);
    at::sigmoid_out(in, block(sum, 0, hidden));
    at::sigmoid_out(forget, block(sum, 1, hidden));
    at::tanh_out(fresh, block(sum, 2, hidden));
    at::sigmoid_out(exit, block(sum, 3, hidden));
    Tensor part = scratch.narrow(0, 0, step.rows);
    at::mul_out(part, in, fresh);
    at::mul_out(c, forget, c_before);
    c.add_(part);
    at::tanh_out(part, c);
    at::mul_out(out, exit, part);
  }

  void run_gru(const Tensor& h, const Step& step, Tensor& out) const {
    const Tensor sum = product(h, step);
    const Tensor given = step.of(gates);
    block(sum, 0, hidden, 2).add_(block(given, 0, hidden, 2));
    Tensor reset = plane(gru::kReset, step);
    Tensor update = plane(gru::kUpdate, step);
    Tensor fresh = plane(gru::kFresh, step);
    at::sigmoid_out(reset, block(sum, 0, hidden));
    at::sigmoid_out(update, block(sum, 1, hidden));
    if (keep) plane(gru::kByHidden, step).copy_(block(sum, 2, hidden));
    at::mul_out(fresh, block(sum, 2, hidden), reset);
    at::add_out(fresh, block(given, 2, hidden), fresh);
    fresh.tanh_();
    at::sub_out(out, h, fresh);
    out.mul_(update).add_(fresh);
  }

  void run_plain(const Tensor& h, const Step& step, Tensor& out) const {
    const Tensor sum = product(h, step).add_(step.of(gates));
    if (cell == Cell::Tanh) {
      at::tanh_out(out, sum);
    } else {
      at::relu_out(out, sum);
    }
  }
};

RnnLayerOutputs forward(const Tensor& gates, const Tensor& weight, const MaybeTensor& bias,
                        const Tensor& h, const MaybeTensor& c, const MaybeTensor& batch_sizes,
                        int64_t cell_number, bool reverse, bool keep) {
  const at::NoGradGuard no_grad;
  const auto cell = static_cast<Cell>(cell_number);
  const int64_t rows = gates.size(0);
  const int64_t batch = h.size(0);
  const int64_t hidden = weight.size(1);
  const auto steps = steps_of(rows, batch, batch_sizes, reverse);
  const auto options = gates.options();
  const Forward work{cell,
                     hidden,
                     gates,
                     weight.t(),
                     bias,
                     at::empty({planes_of(cell), keep ? rows : batch, hidden}, options),
                     keep,
                     at::empty({batch, gates_of(cell) * hidden}, options),
                     at::empty({batch, hidden}, options)};
  Tensor sequence = at::empty({rows, hidden}, options);
  Running state(h, steps.front().rows);
  std::optional<Running> memory;
  if (cell == Cell::Lstm) memory.emplace(*c, steps.front().rows);
  for (const Step& step : steps) {
    Tensor out = step.of(sequence);
    const Tensor& before = state.of(step.rows);
    if (cell == Cell::Lstm) {
      work.run_lstm(before, memory->of(step.rows), step, out);
      memory->set(work.plane(lstm::kC, step));
    } else if (cell == Cell::Gru) {
      work.run_gru(before, step, out);
    } else {
      work.run_plain(before, step, out);
    }
    state.set(out);
  }
  // The program may write into what it gets: the backward pass reads a copy.
  if (keep) work.planes[planes_of(cell) - 1].copy_(sequence);
  return {sequence, state.end(), memory ? memory->end() : at::empty({0}, options),
          keep ? work.planes : at::empty({0}, options)};
}

// --- backward ---

// The states before each step, in the order of the steps.
std::vector<Tensor> states_before(const std::vector<Step>& steps, const Tensor& first,
                                  const Tensor& after) {
  std::vector<Tensor> before;
  Running state(first, steps.front().rows);
  for (const Step& step : steps) {
    before.push_back(state.of(step.rows));
    state.set(step.of(after));
  }
  return before;
}

struct Backward {
  Cell cell;
  int64_t hidden;
  Tensor kept, weight;
  Tensor by_input, by_hidden;  // gradients; one tensor but for GRU

  Tensor plane(int64_t index, const Step& step) const { return step.of(kept[index]); }

  // Makes the step's gates' gradients; `h`: that of its output, which becomes that of the state
  // before it, `c` likewise.
  void run_lstm(const Step& step, const Tensor& c_before, Tensor& h, Tensor& c) const {
    const Tensor in = plane(lstm::kIn, step);
    const Tensor forget = plane(lstm::kForget, step);
    const Tensor fresh = plane(lstm::kCell, step);
    const Tensor exit = plane(lstm::kOut, step);
    const Tensor squashed = plane(lstm::kC, step).tanh();
    const Tensor gates = step.of(by_input);
    Tensor target = block(gates, 3, hidden);
    at::sigmoid_backward_out(target, h * squashed, exit);
    const Tensor inner = at::tanh_backward(h * exit, squashed).add_(c);
    target = block(gates, 0, hidden);
    at::sigmoid_backward_out(target, inner * fresh, in);
    target = block(gates, 1, hidden);
    at::sigmoid_backward_out(target, inner * c_before, forget);
    target = block(gates, 2, hidden);
    at::tanh_backward_out(target, inner * in, fresh);
    c = inner * forget;
    h = at::mm(gates, weight);
  }

  void run_gru(const Step& step, const Tensor& h_before, Tensor& h) const {
    const Tensor reset = plane(gru::kReset, step);
    const Tensor update = plane(gru::kUpdate, step);
    const Tensor fresh = plane(gru::kFresh, step);
    const Tensor input = step.of(by_input);
    const Tensor hidden_gates = step.of(by_hidden);
    Tensor target = block(input, 1, hidden);
    at::sigmoid_backward_out(target, (h_before - fresh).mul_(h), update);
    target = block(input, 2, hidden);
    const Tensor passed = h * update;
    at::tanh_backward_out(target, h - passed, fresh);
    const Tensor inner = target;
    target = block(input, 0, hidden);
    at::sigmoid_backward_out(target, inner * plane(gru::kByHidden, step), reset);
    block(hidden_gates, 0, hidden, 2).copy_(block(input, 0, hidden, 2));
    target = block(hidden_gates, 2, hidden);
    at::mul_out(target, inner, reset);
    h = at::addmm(passed, hidden_gates, weight);
  }

  void run_plain(const Step& step, Tensor& h) const {
    Tensor gates = step.of(by_input);
    const Tensor out = plane(0, step);
    if (cell == Cell::Tanh) {
      at::tanh_backward_out(gates, h, out);
    } else {
      at::threshold_backward_out(gates, h, out, 0);
    }
    h = at::mm(gates, weight);
  }
};

Tensor or_zeros(const MaybeTensor& given, const Tensor& like) {
  return given ? *given : at::zeros_like(like);
}

RnnLayerGradients backward(const Tensor& kept, const Tensor& weight, const Tensor& h,
                           const MaybeTensor& c, const MaybeTensor& batch_sizes,
                           const MaybeTensor& grad_sequence, const MaybeTensor& grad_h,
                           const MaybeTensor& grad_c, int64_t cell_number, bool reverse,
                           bool wants_weight) {
  const at::NoGradGuard no_grad;
  const auto cell = static_cast<Cell>(cell_number);
  const int64_t rows = kept.size(1);
  const int64_t hidden = weight.size(1);
  auto steps = steps_of(rows, h.size(0), batch_sizes, reverse);
  const auto options = kept.options();
  const Tensor after = kept[planes_of(cell) - 1];
  const std::vector<Tensor> h_before = states_before(steps, h, after);
  std::vector<Tensor> c_before;
  if (cell == Cell::Lstm) c_before = states_before(steps, *c, kept[lstm::kC]);

  Backward work{cell, hidden, kept, weight, at::empty({rows, weight.size(0)}, options), {}};
  work.by_hidden = cell == Cell::Gru ? at::empty_like(work.by_input) : work.by_input;
  const int64_t last = steps.back().rows;
  Running state(or_zeros(grad_h, h), last);
  std::optional<Running> memory;
  if (cell == Cell::Lstm) memory.emplace(or_zeros(grad_c, *c), last);
  for (size_t i = steps.size(); i-- > 0;) {
    const Step& step = steps[i];
    Tensor now = state.of(step.rows);
    if (grad_sequence) now = now + step.of(*grad_sequence);
    if (cell == Cell::Lstm) {
      Tensor inner = memory->of(step.rows);
      work.run_lstm(step, c_before[i], now, inner);
      memory->set(std::move(inner));
    } else if (cell == Cell::Gru) {
      work.run_gru(step, h_before[i], now);
    } else {
      work.run_plain(step, now);
    }
    state.set(std::move(now));
  }
  Tensor of_weight;
  Tensor of_bias;
  if (wants_weight) {
    std::vector<Tensor> in_order = h_before;  // of the rows, not of the run
    if (reverse) std::reverse(in_order.begin(), in_order.end());
    of_weight = at::mm(work.by_hidden.t(), at::cat(in_order));
    of_bias = work.by_hidden.sum(0);
  } else {
    of_weight = at::empty({0}, options);
    of_bias = at::empty({0}, options);
  }
  return {work.by_input, of_weight, of_bias, state.end(),
          memory ? memory->end() : at::empty({0}, options)};
}

}  // namespace

TORCH_LIBRARY_IMPL(trireme, CPU, m) {
  m.impl("rnn_layer", TORCH_FN(forward));
  m.impl("rnn_layer_backward", TORCH_FN(backward));
}

}  // namespace trireme::device
