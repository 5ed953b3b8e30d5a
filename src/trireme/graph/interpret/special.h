// SPDX-License-Identifier: Apache-2.0
// Functions that the C++ library has not. All to about 1e-15.
#pragma once

namespace trireme::graph {

// Inverse error function: Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011),
// with two Newton steps.
double erfinv(double x);
// Logarithmic derivative of the gamma function: recurrence up to 10, then the asymptotic series
// (Abramowitz and Stegun 6.3.5, 6.3.18); reflection below 0 (6.3.7).
double digamma(double x);

}  // namespace trireme::graph
