// SPDX-License-Identifier: Apache-2.0
// uniform_, normal_, log_normal_, exponential_, cauchy_, geometric_ and normal's functional forms.
#include <ATen/Dispatch.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/native/DistributionTemplates.h>
#include <ATen/native/TensorIterator.h>

#include <cmath>
#include <limits>
#include <type_traits>

#include "trireme/run/random/distributions.h"
#include "trireme/run/random/draw_scope.h"

namespace trireme::run::random {

namespace {

using at::TensorBase;
using at::TensorIteratorBase;
using detail::DrawScope;
using detail::NoGenerator;
using OptionalGenerator = std::optional<at::Generator>;
namespace templates = at::native::templates;

template <typename T>
constexpr bool is_double = std::is_same_v<T, double>;

// The largest value of type T below `bound`.
template <typename T>
T next_below(T bound) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::nextafter(bound, -std::numeric_limits<T>::infinity());
  } else {
    const float value = bound;
    if (value == 0) return T(0x8001, T::from_bits());
    return T(value > 0 ? bound.x - 1 : bound.x + 1, T::from_bits());
  }
}

// The computing type of T's values: double or float.
template <typename T, typename Compute = std::conditional_t<is_double<T>, double, float>>
UniformArgs<Compute> uniform_args(double from, double to) {
  const T lowest = static_cast<T>(from);
  const T below = next_below(static_cast<T>(to));
  const auto compute_from = static_cast<Compute>(from);
  return {.from = compute_from,
          .span = static_cast<Compute>(to) - compute_from,
          .last = static_cast<Compute>(below < lowest ? lowest : below)};
}

template <typename T>
void fill_uniform(const TensorBase& out, double from, double to, const Draw& draw) {
  if constexpr (is_double<T>) {
    fill<T>(out, draw, block_kernels().uniform_double, uniform_args<T>(from, to));
  } else {
    fill<T>(out, draw, block_kernels().uniform_float, uniform_args<T>(from, to));
  }
}

template <typename>
struct UniformFill {
  void operator()(TensorIteratorBase& iter, double from, double to, OptionalGenerator) const {
    AT_DISPATCH_FLOATING_TYPES_AND2(
        at::kHalf, at::kBFloat16, iter.dtype(), "uniform_kernel_cpu",
        [&] { fill_uniform<scalar_t>(iter.tensor_base(0), from, to, DrawScope::current()); });
  }
};

template <typename>
struct NormalFill {
  void operator()(const TensorBase& out, double mean, double std, OptionalGenerator) const {
    const Draw& draw = DrawScope::current();
    AT_DISPATCH_FLOATING_TYPES_AND2(
        at::kHalf, at::kBFloat16, out.scalar_type(), "normal_kernel_cpu", [&] {
          at::assert_no_internal_overlap(out);
          if constexpr (is_double<scalar_t>) {
            fill<scalar_t>(out, draw, block_kernels().normal_double, {.mean = mean, .std = std});
          } else {
            fill<scalar_t>(out, draw, block_kernels().normal_float,
                           {.mean = static_cast<float>(mean), .std = static_cast<float>(std)});
          }
        });
  }
};

template <typename>
struct LogNormalFill {
  void operator()(TensorIteratorBase& iter, double mean, double std, OptionalGenerator) const {
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, iter.dtype(), "log_normal_cpu", [&] {
      fill<scalar_t>(iter.tensor_base(0), DrawScope::current(), block_kernels().log_normal,
                     {.mean = mean, .std = std});
    });
  }
};

template <typename>
struct ExponentialFill {
  void operator()(TensorIteratorBase& iter, double lambda, OptionalGenerator) const {
    TORCH_CHECK(at::isFloatingType(iter.dtype()),
                "Exponential distribution is a continuous probability distribution. dtype must be "
                "a floating point but you specified ",
                iter.dtype());
    const TensorBase& out = iter.tensor_base(0);
    const Draw& draw = DrawScope::current();
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, iter.dtype(), "exponential_cpu", [&] {
      if constexpr (is_double<scalar_t>) {
        fill<scalar_t>(out, draw, block_kernels().exponential_double, {.scale = 1.0 / lambda});
      } else {
        fill<scalar_t>(out, draw, block_kernels().exponential_float,
                       {.scale = static_cast<float>(1.0 / lambda)});
      }
    });
  }
};

template <typename>
struct CauchyFill {
  void operator()(TensorIteratorBase& iter, double median, double sigma, OptionalGenerator) const {
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, iter.dtype(), "cauchy_cpu", [&] {
      fill<scalar_t>(iter.tensor_base(0), DrawScope::current(), block_kernels().cauchy,
                     {.median = median, .sigma = sigma});
    });
  }
};

template <typename>
struct GeometricFill {
  void operator()(TensorIteratorBase& iter, double p, OptionalGenerator) const {
    AT_DISPATCH_ALL_TYPES_AND2(at::kHalf, at::kBFloat16, iter.dtype(), "geometric_cpu", [&] {
      fill<scalar_t>(iter.tensor_base(0), DrawScope::current(), block_kernels().geometric,
                     {.log1m_p = std::log1p(-p)});
    });
  }
};

}  // namespace

void uniform_(at::Tensor& self, double from, double to, const Draw& draw) {
  const DrawScope scope(draw);
  templates::uniform_impl_<UniformFill, NoGenerator>(self, from, to, std::nullopt);
}

void normal_(at::Tensor& self, double mean, double std, const Draw& draw) {
  const DrawScope scope(draw);
  templates::normal_impl_<NormalFill, NoGenerator>(self, mean, std, std::nullopt);
}

void log_normal_(at::Tensor& self, double mean, double std, const Draw& draw) {
  const DrawScope scope(draw);
  templates::log_normal_impl_<LogNormalFill, NoGenerator>(self, mean, std, std::nullopt);
}

void exponential_(at::Tensor& self, double lambda, const Draw& draw) {
  const DrawScope scope(draw);
  templates::exponential_impl_<ExponentialFill, NoGenerator>(self, lambda, std::nullopt);
}

void geometric_(at::Tensor& self, double p, const Draw& draw) {
  const DrawScope scope(draw);
  templates::geometric_impl_<GeometricFill, NoGenerator>(self, p, std::nullopt);
}

void cauchy_(at::Tensor& self, double median, double sigma, const Draw& draw) {
  const DrawScope scope(draw);
  templates::cauchy_impl_<CauchyFill, NoGenerator>(self, median, sigma, std::nullopt);
}

at::Tensor normal(const at::Tensor& mean, double std, const Draw& draw) {
  const DrawScope scope(draw);
  return templates::normal_impl<NormalFill, NoGenerator>(mean, std, std::nullopt);
}

at::Tensor normal(double mean, const at::Tensor& std, const Draw& draw) {
  const DrawScope scope(draw);
  return templates::normal_impl<NormalFill, NoGenerator>(mean, std, std::nullopt);
}

at::Tensor normal(const at::Tensor& mean, const at::Tensor& std, const Draw& draw) {
  const DrawScope scope(draw);
  return templates::normal_impl<NormalFill, NoGenerator>(mean, std, std::nullopt);
}

void normal_out(at::Tensor& out, const at::Tensor& mean, double std, const Draw& draw) {
  const DrawScope scope(draw);
  templates::normal_out_impl<NormalFill, NoGenerator>(out, mean, std, std::nullopt);
}

void normal_out(at::Tensor& out, double mean, const at::Tensor& std, const Draw& draw) {
  const DrawScope scope(draw);
  templates::normal_out_impl<NormalFill, NoGenerator>(out, mean, std, std::nullopt);
}

void normal_out(at::Tensor& out, const at::Tensor& mean, const at::Tensor& std, const Draw& draw) {
  const DrawScope scope(draw);
  templates::normal_out_impl<NormalFill, NoGenerator>(out, mean, std, std::nullopt);
}

}  // namespace trireme::run::random
