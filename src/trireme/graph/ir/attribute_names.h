// SPDX-License-Identifier: Apache-2.0
// Names of the primitives' attributes, as the text form writes them and the fingerprint counts
// them.
#pragma once

#include <array>
#include <concepts>
#include <optional>
#include <string_view>

#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// By number of the enumerator.
template <class Attribute>
inline constexpr std::array<std::string_view, 0> kAttributeNames = {};
template <>
inline constexpr std::array<std::string_view, 10> kAttributeNames<ReduceOp> = {
    "sum", "product",     "maximum",     "minimum", "any",
    "all", "arg_maximum", "arg_minimum", "welford", "log_sum_exp"};
template <>
inline constexpr std::array<std::string_view, 3> kAttributeNames<ConvolveKind> = {
    "forward", "grad_input", "grad_weight"};
template <>
inline constexpr std::array<std::string_view, 5> kAttributeNames<ScatterOp> = {
    "set", "add", "product", "maximum", "minimum"};
template <>
inline constexpr std::array<std::string_view, 5> kAttributeNames<ScanOp> = {
    "sum", "product", "maximum", "minimum", "log_sum_exp"};
template <>
inline constexpr std::array<std::string_view, 5> kAttributeNames<Distribution> = {
    "uniform", "normal", "bernoulli", "exponential", "integer"};

template <class T>
concept Attribute = std::same_as<T, ReduceOp> || std::same_as<T, ConvolveKind> ||
    std::same_as<T, ScatterOp> || std::same_as<T, ScanOp> || std::same_as<T, Distribution>;

template <Attribute T>
std::string_view attribute_name(T attribute) {
  return kAttributeNames<T>[static_cast<size_t>(attribute)];
}

template <Attribute T>
std::optional<T> parse_attribute(std::string_view name) {
  for (size_t i = 0; i < kAttributeNames<T>.size(); ++i) {
    if (kAttributeNames<T>[i] == name) return static_cast<T>(i);
  }
  return std::nullopt;
}

}  // namespace trireme::graph
