// SPDX-License-Identifier: Apache-2.0
// bernoulli_, random_, native_dropout, rrelu_with_noise's training mode, randperm.
#include <ATen/Dispatch.h>
#include <ATen/Dispatch_v2.h>
#include <ATen/ExpandBase.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/native/DistributionTemplates.h>
#include <ATen/native/TensorIterator.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/le.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "trireme/run/random/distributions.h"
#include "trireme/run/random/draw_scope.h"

namespace trireme::run::random {

namespace {

using at::TensorBase;
using at::TensorIteratorBase;
using detail::DrawScope;
using detail::kChunk;
using detail::LogicalView;
using detail::NoGenerator;
using OptionalGenerator = std::optional<at::Generator>;
namespace templates = at::native::templates;

// p to the nearest 2^-32.
BernoulliArgs bernoulli_args(double p) {
  const double count = std::nearbyint(p * 0x1p32);
  if (count < 1) return {.last = 0, .enabled = 0};
  return {.last = static_cast<uint32_t>(count - 1), .enabled = 1};
}

// Trues and falses as 0 and 1 of any type: bool has uint8_t's representation.
template <typename T>
using Storage = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

// One chunk of p in logical order, as P.
template <typename P, typename From>
void load_chunk(const LogicalView& view, const From* data, int64_t first, int64_t count, P* out) {
  view.visit_runs(first, count, [&](int64_t offset, int64_t stride, int64_t run, int64_t position) {
    const From* in = data + offset;
    for (int64_t i = 0; i < run; ++i) out[position + i] = static_cast<P>(in[i * stride]);
  });
}

// self = (a uniform of type P) < p, with p of dtype From.
template <typename T, typename P, typename From>
void bernoulli_by_tensor(const TensorBase& self, const TensorBase& p, const Draw& draw) {
  const LogicalView out(self);
  const LogicalView in(p);
  const auto* data = static_cast<const From*>(p.const_data_ptr());
  std::atomic<bool> valid{true};
  detail::fill_chunks<Storage<T>, uint8_t>(
      self, out, [&](int64_t first, int64_t count, uint8_t* buffer) {
        alignas(64) P probabilities[kChunk];
        alignas(64) P uniforms[kChunk];
        load_chunk<P, From>(in, data, first, count, probabilities);
        const uint64_t index = draw.first_index + static_cast<uint64_t>(first);
        if constexpr (std::is_same_v<P, double>) {
          detail::draw_elements(block_kernels().uniform_double, {0, 1, 1 - 0x1p-53}, draw.state,
                                index, count, uniforms);
        } else {
          detail::draw_elements(block_kernels().uniform_float, {0, 1, 1 - 0x1p-24F}, draw.state,
                                index, count, uniforms);
        }
        bool all_valid = true;
        for (int64_t i = 0; i < count; ++i) {
          const P p_in = probabilities[i];
          all_valid &= p_in >= 0 && p_in <= 1;
          buffer[i] = uniforms[i] < p_in ? 1 : 0;
        }
        if (!all_valid) valid.store(false, std::memory_order_relaxed);
      });
  if (!valid) {
    const double p_in = -1;  // spelt as ATen's check inside its loop, because the message quotes it
    TORCH_CHECK(p_in >= 0 && p_in <= 1);
  }
}

template <typename>
struct BernoulliFill {
  void operator()(const TensorBase& self, double p, OptionalGenerator) const {
    const Draw& draw = DrawScope::current();
    const BernoulliArgs args = bernoulli_args(p);
    AT_DISPATCH_ALL_TYPES_AND3(
        at::kBool, at::kBFloat16, at::kHalf, self.scalar_type(), "bernoulli_scalar_cpu_", [&] {
          if constexpr (std::is_same_v<scalar_t, float>) {
            fill<float>(self, draw, block_kernels().bernoulli_float, args);
          } else {
            fill<Storage<scalar_t>>(self, draw, block_kernels().bernoulli_byte, args);
          }
        });
  }

  void operator()(const TensorBase& self, const TensorBase& p_, OptionalGenerator) const {
    const Draw& draw = DrawScope::current();
    AT_DISPATCH_ALL_TYPES_AND3(
        at::kBool, at::kBFloat16, at::kHalf, self.scalar_type(), "bernoulli_tensor_cpu_self_", [&] {
          using self_t = scalar_t;
          auto p = at::expand_inplace(self, p_);
          at::assert_no_partial_overlap(self, *p);
          if (p->scalar_type() == at::kDouble) {
            bernoulli_by_tensor<self_t, double, double>(self, *p, draw);
          } else {
            AT_DISPATCH_FLOATING_TYPES_AND2(
                at::kBFloat16, at::kHalf, p->scalar_type(), "bernoulli_tensor_cpu_p_",
                [&] { bernoulli_by_tensor<self_t, float, scalar_t>(self, *p, draw); });
          }
        });
  }
};

template <typename>
struct RandomFill {
  void operator()(TensorIteratorBase& iter, OptionalGenerator) const {
    AT_DISPATCH_ALL_TYPES_AND3(
        at::kHalf, at::kBFloat16, at::kBool, iter.dtype(), "random_kernel_cpu", [&] {
          uint64_t range = 0;
          if constexpr (std::is_same_v<scalar_t, bool>) {
            range = 2;
          } else if constexpr (std::is_integral_v<scalar_t>) {
            range = static_cast<uint64_t>(std::numeric_limits<scalar_t>::max()) + 1;
          } else {
            range = (uint64_t{1} << std::numeric_limits<scalar_t>::digits) + 1;
          }
          fill<scalar_t>(iter.tensor_base(0), DrawScope::current(), block_kernels().integers,
                         {.range = range, .base = 0});
        });
  }
};

template <typename>
struct RandomFromToFill {
  void operator()(TensorIteratorBase& iter, uint64_t range, int64_t base, OptionalGenerator) const {
    AT_DISPATCH_V2(iter.dtype(), "random_from_to_kernel_cpu", AT_WRAP([&] {
                     fill<scalar_t>(iter.tensor_base(0), DrawScope::current(),
                                    block_kernels().integers,
                                    {.range = range, .base = static_cast<uint64_t>(base)});
                   }),
                   at::kBool, at::kHalf, at::kBFloat16, AT_EXPAND(AT_ALL_TYPES),
                   AT_EXPAND(AT_BAREBONES_UNSIGNED_TYPES));
  }

  // All 64 bits.
  void operator()(TensorIteratorBase& iter, OptionalGenerator) const {
    AT_DISPATCH_ALL_TYPES_AND(
        at::kBFloat16, iter.dtype(), "random_full_64_bits_range_kernel_cpu", [&] {
          if constexpr (std::is_same_v<scalar_t, int64_t> || std::is_same_v<scalar_t, double> ||
                        std::is_same_v<scalar_t, float> || std::is_same_v<scalar_t, at::BFloat16>) {
            fill<scalar_t>(iter.tensor_base(0), DrawScope::current(), block_kernels().integers,
                           {.range = 0, .base = 0});
          } else {
            TORCH_CHECK(false,
                        "random_full_64_bits_range_kernel_cpu handles only int64, double, float "
                        "and bfloat16");
          }
        });
  }
};

// output = input * mask * scale and the mask, of contiguous tensors, in one pass.
template <typename T, class Drop>
void drop_contiguous(const at::Tensor& input, const at::Tensor& mask, const at::Tensor& output,
                     double keep, double scale, const Draw& draw, Drop drop) {
  const BernoulliArgs args = bernoulli_args(keep);
  const auto* in = static_cast<const T*>(input.const_data_ptr());
  auto* mask_data = static_cast<uint8_t*>(mask.mutable_data_ptr());
  auto* out = static_cast<T*>(output.mutable_data_ptr());
  detail::for_chunks(input.numel(), [&](int64_t first, int64_t count) {
    detail::draw_elements(block_kernels().bernoulli_byte, args, draw.state,
                          draw.first_index + static_cast<uint64_t>(first), count,
                          mask_data + first);
    drop(in + first, mask_data + first, out + first, count, scale);
  });
}

}  // namespace

void bernoulli_(at::Tensor& self, double p, const Draw& draw) {
  const DrawScope scope(draw);
  templates::bernoulli_impl_<BernoulliFill, NoGenerator>(self, p, std::nullopt);
}

void bernoulli_(at::Tensor& self, const at::Tensor& p, const Draw& draw) {
  const DrawScope scope(draw);
  templates::bernoulli_impl_<BernoulliFill, NoGenerator>(self, p, std::nullopt);
}

void bernoulli_out(at::Tensor& out, const at::Tensor& p, const Draw& draw) {
  const DrawScope scope(draw);
  templates::bernoulli_out_impl<BernoulliFill, NoGenerator>(out, p, std::nullopt);
}

void random_(at::Tensor& self, const Draw& draw) {
  const DrawScope scope(draw);
  templates::random_impl<RandomFill, NoGenerator>(self, std::nullopt);
}

void random_(at::Tensor& self, int64_t from, std::optional<int64_t> to, const Draw& draw) {
  const DrawScope scope(draw);
  templates::random_from_to_impl<RandomFromToFill, NoGenerator>(self, from, to, std::nullopt);
}

std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor& input, double p,
                                                  std::optional<bool> train, const Draw& draw) {
  const auto mask_options = input.options().dtype(at::kBool);
  if (!train.value_or(true) || input.numel() == 0) {
    return {input.clone(), at::ones_like(input, mask_options)};
  }
  const double keep = 1.0 - p;
  TORCH_CHECK(0 <= keep && keep <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", keep);
  const double scale = keep == 0 ? 0.0 : 1.0 / keep;
  at::Tensor mask = at::empty_like(input, mask_options);
  const at::ScalarType dtype = input.scalar_type();
  const bool fused =
      dtype == at::kFloat || dtype == at::kDouble || dtype == at::kHalf || dtype == at::kBFloat16;
  if (!fused || !input.is_contiguous() || !mask.is_contiguous()) {
    bernoulli_(mask, keep, draw);
    return {input.mul(mask).mul_(scale), mask};
  }
  at::Tensor output = at::empty_like(input);
  const BlockKernels& kernels = block_kernels();
  if (dtype == at::kFloat) {
    drop_contiguous<float>(input, mask, output, keep, scale, draw, kernels.drop_float);
  } else if (dtype == at::kDouble) {
    drop_contiguous<double>(input, mask, output, keep, scale, draw, kernels.drop_double);
  } else if (dtype == at::kHalf) {
    drop_contiguous<uint16_t>(input, mask, output, keep, scale, draw, kernels.drop_half);
  } else {
    drop_contiguous<uint16_t>(input, mask, output, keep, scale, draw, kernels.drop_bfloat16);
  }
  return {output, mask};
}

void rrelu_with_noise_train(at::Tensor& out, const at::Tensor& self, at::Tensor& noise,
                            double lower, double upper, const Draw& draw) {
  const at::Tensor negative = at::le(self, 0);
  if (!(lower <= upper)) {
    // ATen checks where it draws: a tensor without elements <= 0 passes.
    if (negative.any().item<bool>()) {
      const double from = lower;
      const double to = upper;
      TORCH_CHECK(from <= to);  // spelt as ATen's, because the message quotes it
    }
    noise.fill_(1);
  } else {
    at::Tensor slopes = at::empty(self.sizes(), self.options());
    uniform_(slopes, lower, upper, draw);
    noise.copy_(at::where(negative, slopes, at::Scalar(1)));
  }
  at::mul_out(out, self, noise);
}

void randperm(at::Tensor& out, const Draw& draw) {
  const int64_t n = out.numel();
  const at::Tensor work = out.is_contiguous() ? out : at::empty({n}, out.options());
  AT_DISPATCH_ALL_TYPES_AND2(at::kHalf, at::kBFloat16, out.scalar_type(), "randperm", [&] {
    auto* data = static_cast<scalar_t*>(work.mutable_data_ptr());
    for (int64_t i = 0; i < n; ++i) data[i] = static_cast<scalar_t>(i);
    std::array<int64_t, 256> draws;
    for (int64_t first = 0; first < n - 1; first += static_cast<int64_t>(draws.size())) {
      const int64_t count = std::min(static_cast<int64_t>(draws.size()), n - 1 - first);
      detail::draw_elements(block_kernels().integers, {.range = 0, .base = 0}, draw.state,
                            draw.first_index + static_cast<uint64_t>(first), count, draws.data());
      // Targets first: they don't wait for the swaps.
      for (int64_t k = 0; k < count; ++k) {
        using Wide = unsigned __int128;
        const int64_t i = first + k;
        const Wide product =
            static_cast<Wide>(static_cast<uint64_t>(draws[k])) * static_cast<uint64_t>(n - i);
        draws[k] = i + static_cast<int64_t>(product >> 64);
      }
      for (int64_t k = 0; k < count; ++k) std::swap(data[first + k], data[draws[k]]);
    }
  });
  if (!work.is_same(out)) out.copy_(work);
}

}  // namespace trireme::run::random
