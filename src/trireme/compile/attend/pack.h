// SPDX-License-Identifier: Apache-2.0
// From tensors into a thread's scratch, and back.
#pragma once

#include "trireme/compile/attend/vectors.h"

namespace trireme::compile::detail {

// Two dimensions of a tensor.
struct Matrix {
  std::byte* data = nullptr;
  graph::DType dtype = graph::DType::Float32;
  int64_t row_stride = 0;  // elements
  int64_t column_stride = 0;
  int64_t rows = 0;
  int64_t columns = 0;
};

// `rows` rows from `row` on.
[[gnu::always_inline]] inline Matrix matrix(const AttendTensor& tensor, int64_t batch, int64_t head,
                                            int64_t row, int64_t rows, int64_t columns) {
  const int64_t element =
      batch * tensor.strides[0] + head * tensor.strides[1] + row * tensor.strides[2];
  const int64_t size = tensor.dtype == graph::DType::Float32 ? 4
                       : tensor.dtype == graph::DType::Bool  ? 1
                                                             : 2;
  return {tensor.data + element * size,
          tensor.dtype,
          tensor.strides[2],
          tensor.strides[3],
          rows,
          columns};
}

// Asks for a row that is packed soon: rows of a head lie too far apart for the CPU to foresee them.
[[gnu::always_inline]] inline void fetch_row(const Matrix& from, int64_t row) {
  constexpr int64_t kLine = 64;
  if (row >= from.rows || from.column_stride != 1) return;
  const int64_t size = from.dtype == graph::DType::Float32 ? 4 : 2;
  const std::byte* at = from.data + row * from.row_stride * size;
  for (int64_t byte = 0; byte < from.columns * size; byte += kLine) {
    __builtin_prefetch(at + byte, /*rw=*/0, /*locality=*/2);
  }
}

// Calls `body` with the matrix's type and elements.
template <class Body>
[[gnu::always_inline]] inline void with_type(const Matrix& from, const Body& body) {
  switch (from.dtype) {
    case graph::DType::BFloat16:
      body(BF16{}, reinterpret_cast<uint16_t*>(from.data));
      break;
    case graph::DType::Float16:
      body(F16{}, reinterpret_cast<uint16_t*>(from.data));
      break;
    default:
      body(F32{}, reinterpret_cast<float*>(from.data));
  }
}

// to[row][column] = from, rows `step` apart, with zeros up to a multiple of 16 columns.
template <class Isa, class Type>
void pack_rows_of(const typename Type::Element* elements, const Matrix& from, float* to,
                  int64_t step) {
  const int64_t padded = attend_padded(from.columns);
  for (int64_t row = 0; row < from.rows; ++row) {
    const typename Type::Element* at = elements + row * from.row_stride;
    for (int64_t column = 0; column < padded; column += Isa::kLanes) {
      const int64_t left = from.columns - column;
      store(to + column,
            load_lanes<Isa, Type>(at + column * from.column_stride, from.column_stride, left));
    }
    to += step;
  }
}

template <class Isa>
void pack_rows(const Matrix& from, float* to, int64_t step) {
  with_type(from, [&](auto type, const auto* elements) {
    pack_rows_of<Isa, decltype(type)>(elements, from, to, step);
  });
}

// to[column][row] = from * scale, with zeros up to a multiple of 16 rows.
template <class Isa, class Type>
void pack_columns_of(const typename Type::Element* elements, const Matrix& from, float* to,
                     float scale) {
  using Floats = typename Isa::Floats;
  const int64_t padded = attend_padded(from.rows);
  for (int64_t row = 0; row < padded; row += Isa::kLanes) {
    const int64_t rows = from.rows - row;
    if (from.row_stride == 1) {
      for (int64_t column = 0; column < from.columns; ++column) {
        const Floats x =
            load_lanes<Isa, Type>(elements + row + column * from.column_stride, 1, rows);
        store(to + column * kAttendTile + row, x * scale);
      }
      continue;
    }
    for (int64_t column = 0; column < from.columns; column += Isa::kLanes) {
      const int64_t columns = from.columns - column;
      Floats block[Isa::kLanes];
#pragma GCC unroll 16
      for (int64_t i = 0; i < Isa::kLanes; ++i) {
        block[i] = i < rows ? load_lanes<Isa, Type>(elements + (row + i) * from.row_stride +
                                                        column * from.column_stride,
                                                    from.column_stride, columns)
                            : Floats{};
      }
      transpose<Isa>(block);
      for (int64_t i = 0; i < Isa::kLanes && i < columns; ++i) {
        store(to + (column + i) * kAttendTile + row, block[i] * scale);
      }
    }
  }
}

template <class Isa>
void pack_columns(const Matrix& from, float* to, float scale) {
  with_type(from, [&](auto type, const auto* elements) {
    pack_columns_of<Isa, decltype(type)>(elements, from, to, scale);
  });
}

// A mask's part: to[column][row] is what is added to the score.
template <class Isa>
void pack_mask(const Matrix& from, float* to) {
  if (from.dtype == graph::DType::Bool) {
    pack_columns_of<Isa, Part>(reinterpret_cast<const uint8_t*>(from.data), from, to, 1);
    return;
  }
  with_type(from, [&](auto type, const auto* elements) {
    pack_columns_of<Isa, decltype(type)>(elements, from, to, 1);
  });
}

// to[row][column] = from[column][row] * factor[row].
template <class Isa, class Type>
void write_columns_of(typename Type::Element* elements, const Matrix& to, const float* from,
                      const float* factor) {
  using Floats = typename Isa::Floats;
  for (int64_t row = 0; row < to.rows; row += Isa::kLanes) {
    const auto by = load<Floats>(factor + row);
    for (int64_t column = 0; column < to.columns; column += Isa::kLanes) {
      const int64_t columns = to.columns - column;
      Floats block[Isa::kLanes];
#pragma GCC unroll 16
      for (int64_t i = 0; i < Isa::kLanes; ++i) {
        block[i] =
            i < columns ? load<Floats>(from + (column + i) * kAttendTile + row) * by : Floats{};
      }
      transpose<Isa>(block);
      for (int64_t i = 0; i < Isa::kLanes && row + i < to.rows; ++i) {
        store_lanes<Isa, Type>(elements + (row + i) * to.row_stride + column * to.column_stride,
                               to.column_stride, columns, block[i]);
      }
    }
  }
}

template <class Isa>
void write_columns(const Matrix& to, const float* from, const float* factor) {
  with_type(to, [&](auto type, auto* elements) {
    write_columns_of<Isa, decltype(type)>(elements, to, from, factor);
  });
}

// to[row][column] = factor * the sum of `parts` matrices, `distance` floats apart, whose rows are
// `step` apart.
template <class Isa, class Type>
void write_sums_of(typename Type::Element* elements, const Matrix& to, const float* from,
                   int64_t step, int64_t parts, int64_t distance, float factor) {
  using Floats = typename Isa::Floats;
  for (int64_t row = 0; row < to.rows; ++row) {
    for (int64_t column = 0; column < to.columns; column += Isa::kLanes) {
      const float* at = from + row * step + column;
      auto sum = load<Floats>(at);
      for (int64_t part = 1; part < parts; ++part) sum += load<Floats>(at + part * distance);
      store_lanes<Isa, Type>(elements + row * to.row_stride + column * to.column_stride,
                             to.column_stride, to.columns - column, sum * factor);
    }
  }
}

template <class Isa>
void write_sums(const Matrix& to, const float* from, int64_t step, int64_t parts, int64_t distance,
                float factor) {
  with_type(to, [&](auto type, auto* elements) {
    write_sums_of<Isa, decltype(type)>(elements, to, from, step, parts, distance, factor);
  });
}

}  // namespace trireme::compile::detail
