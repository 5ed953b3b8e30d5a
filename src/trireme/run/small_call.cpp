// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/small_call.h"

#include <ATen/Context.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "trireme/base/openmp.h"
#include "trireme/record/op_info.h"
#include "trireme/record/openmp_team.h"

namespace trireme::run {
namespace {

// ATen's own grain (at::internal::GRAIN_SIZE); but norms and oneDNN's functions do not ask for it.
constexpr int64_t kFewElements = 32768;  // of a tensor
// Where a processor is shared, a region that takes less than about two milliseconds is over sooner
// on one thread: the second one gets its turn after a time slice, or is woken on the first one's
// processor, since the other is never idle.
constexpr int kShared = 32;

struct Product {
  std::string_view op;
  size_t left;  // which tensor argument the left matrix is; the right one follows it
};
constexpr std::array<Product, 4> kProducts{
    {{"aten::mm", 0}, {"aten::bmm", 0}, {"aten::addmm", 1}, {"aten::baddbmm", 1}}};
// What does more with an element than pass over it.
constexpr std::string_view kHeavy = "aten::_scaled_dot";
constexpr std::string_view kConvolution = "aten::convolution";
constexpr std::string_view kConvolutionBackward = "aten::convolution_backward";
// What factors matrices, or solves with them: some operations times the cube of their size.
constexpr std::array<std::string_view, 6> kFactors{"aten::linalg",     "aten::_linalg",
                                                   "aten::cholesky",   "aten::_cholesky",
                                                   "aten::triangular", "aten::lu_"};
constexpr double kFactorWork = 10;

int64_t elements_of(const record::Geometry& geometry) {
  int64_t count = 1;
  for (const int64_t size : geometry.sizes()) count *= size;
  return count;
}

double bytes_of(const record::Geometry& geometry) {
  return static_cast<double>(elements_of(geometry)) *
         static_cast<double>(c10::elementSize(geometry.dtype));
}

// [N, C, spatial...]: how many positions.
int64_t positions_of(const record::Geometry& geometry) {
  const auto sizes = geometry.sizes();
  return sizes.size() < 2 ? 1 : elements_of(geometry) / std::max<int64_t>(sizes[1], 1);
}

// At most so many operations: a kernel at each position of the input or the output.
double convolution_work(const record::CallForm& form) {
  const bool backward = form.op->name == kConvolutionBackward;
  const size_t weight = backward ? 2 : 1;  // after the gradient of the output, and the input
  if (form.tensors.size() <= weight) return std::numeric_limits<double>::infinity();
  int64_t positions = 0;
  for (size_t i = 0; i < weight; ++i) {
    positions = std::max(positions, positions_of(form.tensors[i]));
  }
  if (!backward && !form.outputs.empty()) {
    positions = std::max(positions, positions_of(form.outputs[0].geometry));
  }
  return (backward ? 4.0 : 2.0) * static_cast<double>(positions) *
         static_cast<double>(elements_of(form.tensors[weight]));
}

}  // namespace

bool is_small_call(const record::CallForm& form, bool shared) {
  const double most = base::kSerialSeconds * (shared ? kShared : 1);
  const std::string_view op = form.op->name;
  const auto* product = std::ranges::find(kProducts, op, &Product::op);
  if (product != kProducts.end()) {
    if (form.tensors.size() < product->left + 2) return false;
    const record::Geometry& left = form.tensors[product->left];
    const record::Geometry& right = form.tensors[product->left + 1];
    if (right.sizes().empty()) return false;
    const double flops =
        2.0 * static_cast<double>(elements_of(left)) * static_cast<double>(right.sizes().back());
    return base::product_seconds(flops, bytes_of(left) + bytes_of(right)) < most;
  }
  if (op.starts_with(kHeavy)) return false;
  if (op.starts_with(kConvolution)) return base::product_seconds(convolution_work(form), 0) < most;
  // The largest tensor, not their sum: foreach ops have a region for each tensor of their lists.
  int64_t elements = 0;
  int64_t columns = 1;
  const auto see = [&](const record::Geometry& geometry) {
    elements = std::max(elements, elements_of(geometry));
    if (!geometry.sizes().empty()) columns = std::max(columns, geometry.sizes().back());
  };
  for (const auto& tensor : form.tensors) see(tensor);
  for (const auto& output : form.outputs) see(output.geometry);
  if (std::ranges::any_of(kFactors, [&](auto start) { return op.starts_with(start); })) {
    const double work = kFactorWork * static_cast<double>(elements) * static_cast<double>(columns);
    return base::product_seconds(work, 0) < most;
  }
  return elements < kFewElements * (shared ? kShared : 1);
}

bool is_small_call_now(const record::CallForm& form) {
  return is_small_call(
      form, record::processors_are_shared() && !at::globalContext().deterministicAlgorithms());
}

}  // namespace trireme::run
