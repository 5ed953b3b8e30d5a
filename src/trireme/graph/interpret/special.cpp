// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/interpret/special.h"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <numbers>

namespace trireme::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Single precision, from the paper.
double erfinv_estimate(double x) {
  double w = -std::log((1 - x) * (1 + x));
  if (w < 5) {
    w -= 2.5;
    double p = 2.81022636e-08;
    for (const double c : {3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                           -0.00125372503, -0.00417768164, 0.246640727, 1.50140941}) {
      p = p * w + c;
    }
    return p * x;
  }
  w = std::sqrt(w) - 3;
  double p = -0.000200214257;
  for (const double c : {0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                         -0.0076224613, 0.00943887047, 1.00167406, 2.83297682}) {
    p = p * w + c;
  }
  return p * x;
}

}  // namespace

double erfinv(double x) {
  if (!(std::abs(x) <= 1)) return kNaN;
  if (std::abs(x) == 1) return std::copysign(kInfinity, x);
  double y = erfinv_estimate(x);
  for (int step = 0; step < 2; ++step) {
    // erfc keeps its digits where erf is near 1.
    const double error = x > 0.5    ? (1 - x) - std::erfc(y)
                         : x < -0.5 ? std::erfc(-y) - (1 + x)
                                    : std::erf(y) - x;
    const double slope = 2 * std::numbers::inv_sqrtpi * std::exp(-y * y);
    if (slope == 0) break;
    y -= error / slope;
  }
  return y;
}

double digamma(double x) {
  if (x == 0) return std::copysign(kInfinity, -x);
  if (x < 0) {
    if (x == std::floor(x)) return kNaN;
    const double whole = std::trunc(x);
    return digamma(1 - x) - std::numbers::pi / std::tan(std::numbers::pi * (x - whole));
  }
  double shift = 0;
  for (; x < 10; x += 1) shift -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z * (1.0 / 12 - z * (1.0 / 120 -
                           z * (1.0 / 252 -
                                z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return shift + std::log(x) - 0.5 / x - series;
}

}  // namespace trireme::graph
