// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace trireme::graph::testing {

// Every primitive, as print writes it.
inline constexpr const char* kSampleGraph = R"(symbols 2
randoms 1
number n0: f64
number n1: i64
input %0: f32[1024]
input %1: f32[2*s0*s1 + 8]
input %2: i64[32]
input %3: f32[3072]
input %4: f32[27]
unmade %22: f32[1]
%5: f32[1024] = map (i0 < 32, i1 < 32) call 4 {
  a0 = %0
  a1 = %2 as f32 at [32, 32 : 0, 1]
  return add(a0:f32, mul(a1:f32, 2:f32))
}
%6: f32[32], %7: f32[32] = reduce welford (i0 < 32 | i1 < 32) {
  a0 = %5 at [32, 32 : 1, 32]
  x0 = a0:f32
  return select(lt(x0, 0:f32), neg(x0), cast(sqrt(cast(x0):f64)):f32)
}
%8: i64[1] = reduce arg_maximum (| i0 < s0) {
  a0 = %1 at [s0 : 2*s1 : 8]
  return a0:f32
}
%9: f32[1024] = contract (i0 < 32, i1 < 32 | i2 < 32) {
  a0 = %0 at [32, 32, 32 : 32, 0, 1]
  a1 = %5 at [32, 32, 32 : 0, 1, 32]
}
%10: f32[1024] = convolve forward stride [1, 1] padding [1, 1] dilation [1, 1] output_padding [0, 0] groups 1 (i0 < 1, i1 < 1, i2 < 32, i3 < 32) {
  a0 = %3 at [1, 3, 32, 32]
  a1 = %4 at [1, 3, 3, 3]
}
%11: f32[1024] at [1, 1, 32, 32], %12: f32[32] at [1, 1, 32] = attend forward causal scale n0 () {
  a0 = %0 at [1, 1, 32, 32]
  a1 = %0 at [1, 1, 32, 32]
  a2 = %0 at [1, 1, 32, 32]
}
%13: f32[1024] = gather [stride 32 bound 32] (i0 < 32, i1 < 32) {
  a0 = %0 at [32, 32 : 0, 1]
  a1 = %2 at [32, 32 : 1, 0]
}
%14: f32[1024] at [32, 32 : 0, 1] over %0 = scatter add [stride 32 bound 32 nowrap] (i0 < 32, i1 < 32) {
  a0 = %5
  a1 = %2 at [32, 32 : 1, 0]
}
%15: f32[1024], %16: i64[1024] = scan maximum dim 1 (i0 < 32, i1 < 32) {
  a0 = %5
}
%17: f32[160] at [32, 5], %18: i64[160] at [32, 5] = sort dim 1 descending stable take 5 (i0 < 32, i1 < 32) {
  a0 = %5
}
%19: f32[1024] = random normal state 0 [n0, 0.5] (i0 < 1024) {
}
%20: f32[1024] at [1024] over %0 = opaque "aten::linalg_svd" () {
  a0 = %0
}
%21: f32[1024] at [512 : 2 : 1] over %0 = map (i0 < 512) {
  return cast(add(i0, size0)):f32
}
output %21 replaces input 0
output %6
)";

}  // namespace trireme::graph::testing
