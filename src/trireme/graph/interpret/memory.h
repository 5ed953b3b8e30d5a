// SPDX-License-Identifier: Apache-2.0
// Reading and writing elements of values, as the interpreter does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "trireme/graph/interpret/scalars.h"
#include "trireme/graph/ir/view.h"

namespace trireme::graph {

double read_real(DType dtype, const std::byte* at);      // floating dtype
int64_t read_integer(DType dtype, const std::byte* at);  // integral dtype
Complex read_complex(DType dtype, const std::byte* at);  // complex dtype
// Rounds, or wraps, to the dtype.
void write_real(DType dtype, std::byte* at, double value);
void write_integer(DType dtype, std::byte* at, int64_t value);
void write_complex(DType dtype, std::byte* at, Complex value);

// A view with its symbols replaced by their values.
struct Layout {
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
  int64_t offset = 0;

  Layout(const View& view, std::span<const int64_t> symbols);
};

// An operand: a view of a value's memory. Checks that all of the view lies in the memory
// (std::invalid_argument).
struct Reader {
  std::span<const std::byte> bytes;
  DType dtype;
  Layout layout;

  Reader(std::span<const std::byte> memory, DType type, Layout where);
  const std::byte* at(int64_t element) const { return bytes.data() + element * size; }
  int64_t size;  // of an element, in bytes
};

struct Writer {
  std::span<std::byte> bytes;
  DType dtype;
  Layout layout;

  Writer(std::span<std::byte> memory, DType type, Layout where);
  std::byte* at(int64_t element) const { return bytes.data() + element * size; }
  int64_t size;
};

// Row-major walk over an iteration space, block by block.
class Points {
 public:
  static constexpr int64_t kBlock = 256;

  explicit Points(std::vector<int64_t> dims);
  int64_t count() const { return count_; }
  const std::vector<int64_t>& dims() const { return dims_; }
  // Computes the coordinates of the points [first, first + count), count <= kBlock.
  void move_to(int64_t first, int64_t count);
  int64_t here() const { return here_; }  // points in the block
  int64_t first() const { return first_; }
  const int64_t* coordinate(size_t dim) const { return coordinates_.data() + dim * kBlock; }
  // For each point of the block: offset + the sum of coordinate * stride.
  void locate(const Layout& layout, std::vector<int64_t>& elements) const;

 private:
  std::vector<int64_t> dims_;
  int64_t count_ = 1;
  int64_t first_ = 0;
  int64_t here_ = 0;
  std::vector<int64_t> coordinates_;
};

}  // namespace trireme::graph
