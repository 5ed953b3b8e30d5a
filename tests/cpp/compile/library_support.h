// SPDX-License-Identifier: Apache-2.0
// Tensors of any dtype for the tests of the libraries, and the naive product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "trireme/compile/library/gemm.h"
#include "trireme/graph/interpret/memory.h"

namespace trireme::compile::testing {

// Memory aligned as scratch must be.
class Memory {
 public:
  explicit Memory(size_t bytes)
      : data_(static_cast<std::byte*>(::operator new[](bytes + 64, std::align_val_t(64)))) {
    std::fill_n(data_.get(), bytes + 64, std::byte{0});
  }
  std::byte* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(std::byte* data) const { ::operator delete[](data, std::align_val_t(64)); }
  };
  std::unique_ptr<std::byte[], Free> data_;
};

// Elements of a dtype, read and written as doubles.
class Elements {
 public:
  Elements(DType dtype, int64_t count)
      : dtype_(dtype), count_(count), memory_(static_cast<size_t>(count) * graph::size_of(dtype)) {}
  DType dtype() const { return dtype_; }
  int64_t count() const { return count_; }
  std::byte* data() const { return memory_.data(); }
  std::byte* at(int64_t i) const {
    return data() + static_cast<size_t>(i) * graph::size_of(dtype_);
  }
  double get(int64_t i) const {
    return graph::is_integral(dtype_) ? static_cast<double>(graph::read_integer(dtype_, at(i)))
                                      : graph::read_real(dtype_, at(i));
  }
  void set(int64_t i, double value) const {
    if (graph::is_integral(dtype_)) {
      graph::write_integer(dtype_, at(i), static_cast<int64_t>(value));
    } else {
      graph::write_real(dtype_, at(i), value);
    }
  }
  // Small multiples of 1/8, exact in every type; integers of integral dtypes.
  void fill(std::mt19937& random) const {
    std::uniform_int_distribution<int> draw(-8, 8);
    const double unit = graph::is_integral(dtype_) ? 1 : 0.125;
    for (int64_t i = 0; i < count_; ++i) set(i, draw(random) * unit);
  }

 private:
  DType dtype_;
  int64_t count_;
  Memory memory_;
};

// oneDNN has no bf16 on processors without AVX-512.
inline bool has_bfloat16() { return __builtin_cpu_supports("avx512bw") != 0; }

// How far a result of this dtype may be from the exact one.
inline double tolerance(DType dtype, double scale) {
  switch (dtype) {
    case DType::BFloat16:
      return 0.01 * (scale + 1);
    case DType::Float16:
      return 0.002 * (scale + 1);
    case DType::Float32:
      return 1e-5 * (scale + 1);
    default:
      return 1e-12 * (scale + 1);
  }
}

}  // namespace trireme::compile::testing
