// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/small_call.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "trireme/record/op_info.h"

namespace trireme::run {
namespace {

// ATen's own grain (at::internal::GRAIN_SIZE); but norms and oneDNN's functions do not ask for it.
constexpr int64_t kFewElements = 32768;  // of a tensor
// Of the compiler's contractions, too (compile/program/contract_step.cpp).
constexpr double kSerialWork = 4e6;  // floating-point operations

struct Product {
  std::string_view op;
  size_t left;  // which tensor argument the left matrix is; the right one follows it
};
constexpr std::array<Product, 4> kProducts{
    {{"aten::mm", 0}, {"aten::bmm", 0}, {"aten::addmm", 1}, {"aten::baddbmm", 1}}};
// What does more with an element than pass over it.
constexpr std::array<std::string_view, 4> kHeavy{"aten::convolution", "aten::linalg",
                                                 "aten::_linalg", "aten::_scaled_dot"};

int64_t elements_of(const record::Geometry& geometry) {
  int64_t count = 1;
  for (const int64_t size : geometry.sizes()) count *= size;
  return count;
}

}  // namespace

bool is_small_call(const record::CallForm& form) {
  const std::string_view op = form.op->name;
  const auto* product = std::ranges::find(kProducts, op, &Product::op);
  if (product != kProducts.end()) {
    if (form.tensors.size() < product->left + 2) return false;
    const record::Geometry& right = form.tensors[product->left + 1];
    if (right.sizes().empty()) return false;
    return 2.0 * static_cast<double>(elements_of(form.tensors[product->left])) *
               static_cast<double>(right.sizes().back()) <
           kSerialWork;
  }
  if (std::ranges::any_of(kHeavy, [&](auto start) { return op.starts_with(start); })) return false;
  // The largest tensor, not their sum: foreach ops have a region for each tensor of their lists.
  int64_t elements = 0;
  for (const auto& tensor : form.tensors) elements = std::max(elements, elements_of(tensor));
  for (const auto& output : form.outputs) {
    elements = std::max(elements, elements_of(output.geometry));
  }
  return elements < kFewElements;
}

}  // namespace trireme::run
