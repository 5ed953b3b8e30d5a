// SPDX-License-Identifier: Apache-2.0
// Draws as docs/random.md has them. The elementary functions are the C library's: values are those
// of the random kernels but for the last bits.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "trireme/base/philox.h"
#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

using base::PhiloxState;

bool is_double(DType dtype) { return dtype == DType::Float64 || dtype == DType::Complex128; }

double uniform(PhiloxState state, uint64_t element, DType dtype, double from, double to) {
  const bool wide = is_double(dtype);
  const double unit =
      wide ? static_cast<double>(base::philox::draw64(state, element) >> 11U) * 0x1p-53
           : static_cast<double>(base::philox::draw32(state, element) >> 8U) * 0x1p-24;
  const double value = round_to(dtype, unit * (to - from) + from);
  if (value < to || !(from < to)) return value;
  // Rounded up to the end: the largest value below it.
  double below = std::nextafter(to, from);
  while (round_to(dtype, below) >= to) below -= std::abs(to) * 0x1p-12 + 0x1p-60;
  return round_to(dtype, below);
}

// Box-Muller, of a pair of elements.
double normal(PhiloxState state, uint64_t element, DType dtype) {
  const uint64_t even = element & ~uint64_t{1};
  double radius = 0;
  double angle = 0;
  if (is_double(dtype)) {
    radius = (static_cast<double>(base::philox::draw64(state, even) >> 12U) + 0.5) * 0x1p-52;
    angle = static_cast<double>(base::philox::draw64(state, even + 1) >> 11U) * 0x1p-53;
  } else {
    radius = (static_cast<double>(base::philox::draw32(state, even)) + 0.5) * 0x1p-32;
    angle = static_cast<double>(base::philox::draw32(state, even + 1)) * 0x1p-32;
  }
  radius = std::sqrt(-2 * std::log(radius));
  angle *= 2 * std::numbers::pi;
  return radius * (element % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

double exponential(PhiloxState state, uint64_t element, DType dtype, double rate) {
  const double u =
      is_double(dtype)
          ? (static_cast<double>(base::philox::draw64(state, element) >> 12U) + 0.5) * 0x1p-52
          : (static_cast<double>(base::philox::draw32(state, element)) + 0.5) * 0x1p-32;
  return -std::log(u) / rate;
}

int64_t integer(PhiloxState state, uint64_t element, int64_t from, int64_t to) {
  const auto range = static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
  const auto high = static_cast<uint64_t>(
      (static_cast<__uint128_t>(base::philox::draw64(state, element)) * range) >> 64U);
  return static_cast<int64_t>(static_cast<uint64_t>(from) + high);
}

}  // namespace

void run_random(NodeRun& run, const Random& random) {
  const RandomState& given = run.inputs.randoms[random.state];
  const PhiloxState state{given.seed, given.offset};
  std::vector<double> parameters;
  for (const NumberRef& parameter : random.parameters) {
    parameters.push_back(value_of(parameter, run.inputs));
  }
  const Writer& to = run.results[0];
  const DType dtype = to.dtype;
  Points points(run.dims);
  std::vector<int64_t> elements;
  for (int64_t first = 0; first < points.count(); first += Points::kBlock) {
    points.move_to(first, std::min(Points::kBlock, points.count() - first));
    points.locate(to.layout, elements);
    for (size_t i = 0; i < elements.size(); ++i) {
      const auto element = static_cast<uint64_t>(first) + i;
      double value = 0;
      switch (random.distribution) {
        case Distribution::Uniform:
          value = uniform(state, element, dtype, parameters[0], parameters[1]);
          break;
        case Distribution::Normal:
          value = parameters[0] + parameters[1] * normal(state, element, dtype);
          break;
        case Distribution::Bernoulli:
          value = static_cast<double>(base::philox::draw32(state, element)) <
                          std::round(parameters[0] * 0x1p32)
                      ? 1
                      : 0;
          break;
        case Distribution::Exponential:
          value = exponential(state, element, dtype, parameters[0]);
          break;
        case Distribution::Integer: {
          const int64_t drawn = integer(state, element, static_cast<int64_t>(parameters[0]),
                                        static_cast<int64_t>(parameters[1]));
          if (is_integral(dtype)) {
            write_integer(dtype, to.at(elements[i]), drawn);
            continue;
          }
          value = static_cast<double>(drawn);
          break;
        }
      }
      if (is_integral(dtype)) {
        write_integer(dtype, to.at(elements[i]), static_cast<int64_t>(value));
      } else {
        write_real(dtype, to.at(elements[i]), value);
      }
    }
  }
}

}  // namespace trireme::graph
