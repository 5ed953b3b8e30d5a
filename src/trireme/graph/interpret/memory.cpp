// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/interpret/memory.h"

#include <stdexcept>
#include <string>
#include <utility>

#include "trireme/graph/ir/half.h"

namespace trireme::graph {
namespace {

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <class T>
void store(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

void check(size_t bytes, int64_t element_size, const Layout& layout) {
  int64_t low = layout.offset;
  int64_t high = layout.offset;
  for (size_t i = 0; i < layout.sizes.size(); ++i) {
    if (layout.sizes[i] == 0) return;
    const int64_t reach = (layout.sizes[i] - 1) * layout.strides[i];
    (reach < 0 ? low : high) += reach;
  }
  if (low < 0 || (high + 1) * element_size > static_cast<int64_t>(bytes)) {
    throw std::invalid_argument("interpreter: a view of elements " + std::to_string(low) + " to " +
                                std::to_string(high) + " of a value of " + std::to_string(bytes) +
                                " bytes");
  }
}

}  // namespace

double read_real(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::Float16:
      return float16_to_float(load<uint16_t>(at));
    case DType::BFloat16:
      return bfloat16_to_float(load<uint16_t>(at));
    case DType::Float32:
      return load<float>(at);
    default:
      return load<double>(at);
  }
}

int64_t read_integer(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::Bool:
      return load<uint8_t>(at) != 0 ? 1 : 0;
    case DType::UInt8:
      return load<uint8_t>(at);
    case DType::Int8:
      return load<int8_t>(at);
    case DType::Int16:
      return load<int16_t>(at);
    case DType::Int32:
      return load<int32_t>(at);
    default:
      return load<int64_t>(at);
  }
}

Complex read_complex(DType dtype, const std::byte* at) {
  return dtype == DType::Complex64 ? Complex(load<std::complex<float>>(at))
                                   : load<std::complex<double>>(at);
}

void write_real(DType dtype, std::byte* at, double value) {
  switch (dtype) {
    case DType::Float16:
      return store(at, float_to_float16(static_cast<float>(value)));
    case DType::BFloat16:
      return store(at, float_to_bfloat16(static_cast<float>(value)));
    case DType::Float32:
      return store(at, static_cast<float>(value));
    default:
      return store(at, value);
  }
}

void write_integer(DType dtype, std::byte* at, int64_t value) {
  switch (size_of(dtype)) {
    case 1:
      return store(at, static_cast<uint8_t>(wrap_to(dtype, value)));
    case 2:
      return store(at, static_cast<int16_t>(value));
    case 4:
      return store(at, static_cast<int32_t>(value));
    default:
      return store(at, value);
  }
}

void write_complex(DType dtype, std::byte* at, Complex value) {
  if (dtype == DType::Complex64) return store(at, std::complex<float>(value));
  return store(at, value);
}

Layout::Layout(const View& view, std::span<const int64_t> symbols)
    : offset(view.offset.evaluate(symbols)) {
  for (const Extent& size : view.sizes) sizes.push_back(size.evaluate(symbols));
  for (const Extent& stride : view.strides) strides.push_back(stride.evaluate(symbols));
}

Reader::Reader(std::span<const std::byte> memory, DType type, Layout where)
    : bytes(memory),
      dtype(type),
      layout(std::move(where)),
      size(static_cast<int64_t>(size_of(type))) {
  check(bytes.size(), size, layout);
}

Writer::Writer(std::span<std::byte> memory, DType type, Layout where)
    : bytes(memory),
      dtype(type),
      layout(std::move(where)),
      size(static_cast<int64_t>(size_of(type))) {
  check(bytes.size(), size, layout);
}

Points::Points(std::vector<int64_t> dims)
    : dims_(std::move(dims)), coordinates_(dims_.size() * kBlock) {
  for (const int64_t dim : dims_) count_ *= dim;
}

void Points::move_to(int64_t first, int64_t count) {
  first_ = first;
  here_ = count;
  int64_t inner = 1;
  for (size_t dim = dims_.size(); dim-- > 0;) {
    int64_t* to = coordinates_.data() + dim * kBlock;
    for (int64_t i = 0; i < count; ++i) to[i] = (first + i) / inner % dims_[dim];
    inner *= dims_[dim];
  }
}

void Points::locate(const Layout& layout, std::vector<int64_t>& elements) const {
  elements.assign(static_cast<size_t>(here_), layout.offset);
  for (size_t dim = 0; dim < dims_.size(); ++dim) {
    if (layout.strides[dim] == 0) continue;
    const int64_t* from = coordinate(dim);
    for (size_t i = 0; i < elements.size(); ++i) elements[i] += from[i] * layout.strides[dim];
  }
}

}  // namespace trireme::graph
