// SPDX-License-Identifier: Apache-2.0
// cat, stack, flip, roll, repeat, shuffles: Maps between views.
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// An empty vector may be joined with anything.
bool is_nothing(const Tensor& tensor) { return tensor.rank() == 1 && tensor.sizes[0].is(0); }

void cat_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  if (is_nothing(output)) return fill(lowering, output, 0);
  const size_t dim = wrap_dim(lowering.integer(1), output.rank());
  Extent start = 0;
  for (const Tensor& part : lowering.tensors(0)) {
    if (is_nothing(part)) continue;
    require(part.rank() == output.rank(), "cat of scalars");
    const Tensor target = narrow(output, dim, start, part.sizes[dim]);
    require(target.sizes == part.sizes, "cat of sizes that vary");
    copy(lowering, part, target);
    start += part.sizes[dim];
  }
}

void stack_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const size_t dim = wrap_dim(lowering.integer(1), output.rank());
  int64_t index = 0;
  for (const Tensor& part : lowering.tensors(0)) {
    const Tensor target = select(output, dim, index++);
    require(target.sizes == part.sizes, "stack of sizes that vary");
    copy(lowering, part, target);
  }
}

// Matrices one after another along the diagonal; vectors are rows.
void block_diag_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  require(output.rank() == 2, "blocks of other than matrices");
  fill(lowering, output, 0);
  Extent row = 0;
  Extent column = 0;
  for (Tensor block : lowering.tensors(0)) {
    require(block.rank() <= 2, "blocks of other than matrices");
    if (block.host) block = lowering.plain(block);
    while (block.rank() < 2) block = unsqueeze(block, 0);
    const Tensor rows = narrow(output, 0, row, block.sizes[0]);
    copy(lowering, block, narrow(rows, 1, column, block.sizes[1]));
    row += block.sizes[0];
    column += block.sizes[1];
  }
}

void flip_row(Lowering& lowering) {
  Tensor source = lowering.tensor(0);
  if (!source.host && source.rank() > 0) {
    for (const int64_t dim : lowering.integers(1)) {
      source = flip(source, wrap_dim(dim, source.rank()));
    }
  }
  copy(lowering, source, lowering.output(0));
}

struct Shift {
  size_t dim;
  int64_t by;
};

// The source moved by each shift and around: two pieces per dimension.
void copy_rolled(Lowering& lowering, const Tensor& source, const Tensor& target,
                 std::span<const Shift> shifts) {
  if (shifts.empty()) return copy(lowering, source, target);
  const auto [dim, by] = shifts.front();
  const auto size = source.sizes[dim].constant();
  if (!size) decline("roll of a size that varies");
  if (*size == 0) return copy(lowering, source, target);
  const int64_t moved = ((by % *size) + *size) % *size;
  const auto rest = shifts.subspan(1);
  if (moved == 0) return copy_rolled(lowering, source, target, rest);
  copy_rolled(lowering, narrow(source, dim, 0, *size - moved),
              narrow(target, dim, moved, *size - moved), rest);
  copy_rolled(lowering, narrow(source, dim, *size - moved, moved), narrow(target, dim, 0, moved),
              rest);
}

void roll_row(Lowering& lowering) {
  const Tensor& self = lowering.tensor(0);
  const Tensor& output = lowering.output(0);
  const std::vector<int64_t> by = lowering.integers(1);
  const std::vector<int64_t> dims = lowering.integers(2);
  if (dims.empty()) {  // of all elements in order
    require(by.size() == 1, "roll of as many shifts as dimensions");
    const Extent count = product(self.sizes);
    const Tensor made = is_contiguous(output) && !output.conj && !output.neg
                            ? output
                            : lowering.temporary(output.dtype, output.sizes);
    const Shift shift{0, by[0]};
    copy_rolled(lowering, reshape(lowering, self, {count}), reshaped_contiguous(made, {count}),
                std::span(&shift, 1));
    finish(lowering, made, output);
    return;
  }
  require(by.size() == dims.size(), "roll of as many shifts as dimensions");
  require(dims.size() <= 4, "roll of many dimensions");
  std::vector<Shift> shifts;
  for (size_t i = 0; i < dims.size(); ++i) {
    const size_t dim = wrap_dim(dims[i], self.rank());
    bool known = false;
    for (Shift& shift : shifts) {
      if (shift.dim != dim) continue;
      shift.by += by[i];
      known = true;
    }
    if (!known) shifts.push_back({dim, by[i]});
  }
  if (self.rank() == 0) shifts.clear();
  copy_rolled(lowering, self, output, shifts);
}

void repeat_row(Lowering& lowering) {
  const Tensor& self = lowering.tensor(0);
  const Extents& repeats = lowering.extents(1);
  require(repeats.size() >= self.rank() && !self.host, "repeat of fewer dimensions");
  Tensor source = self;
  while (source.rank() < repeats.size()) source = unsqueeze(source, 0);
  Tensor target = lowering.output(0);
  for (size_t i = repeats.size(); i-- > 0;) {
    target = split_dim(target, i, repeats[i], source.sizes[i]);
    source = unsqueeze(source, i, repeats[i]);
  }
  copy(lowering, source, target);
}

// [..., C * r * r, H, W] and [..., C, H * r, W * r] as [..., C, r, r, H, W].
struct Pixels {
  Tensor packed;
  Tensor spread;
};

Pixels pixels(const Tensor& packed, const Tensor& spread, const Extent& factor) {
  const size_t rank = packed.rank();
  require(rank >= 3 && spread.rank() == rank, "pixels of fewer than three dimensions");
  const size_t channels = rank - 3;
  Tensor left = split_dim(packed, channels, spread.sizes[channels], factor * factor);
  left = split_dim(left, channels + 1, factor, factor);
  Tensor right = split_dim(spread, rank - 1, packed.sizes[rank - 1], factor);
  right = split_dim(right, rank - 2, packed.sizes[rank - 2], factor);
  // right: [..., C, H, r, W, r]
  std::vector<size_t> order(channels + 1);
  for (size_t i = 0; i <= channels; ++i) order[i] = i;
  const size_t at = channels + 1;
  order.insert(order.end(), {at + 1, at + 3, at, at + 2});
  return {.packed = std::move(left), .spread = permute(right, order)};
}

void pixel_shuffle_row(Lowering& lowering) {
  const Pixels pair = pixels(lowering.tensor(0), lowering.output(0), lowering.extent(1));
  copy(lowering, pair.packed, pair.spread);
}

void pixel_unshuffle_row(Lowering& lowering) {
  const Pixels pair = pixels(lowering.output(0), lowering.tensor(0), lowering.extent(1));
  copy(lowering, pair.spread, pair.packed);
}

void channel_shuffle_row(Lowering& lowering) {
  const Tensor& self = lowering.tensor(0);
  const Extent& groups = lowering.extent(1);
  require(self.rank() >= 3, "channels of fewer than three dimensions");
  const auto each = self.sizes[1].divided_by(groups);
  if (!each) decline("channels that the groups do not divide");
  copy(lowering, transpose(split_dim(self, 1, groups, *each), 1, 2),
       split_dim(lowering.output(0), 1, *each, groups));
}

// A number of quarter turns from the first dimension towards the second.
void rot90_row(Lowering& lowering) {
  const Tensor& self = lowering.tensor(0);
  const std::vector<int64_t> dims = lowering.integers(2);
  require(dims.size() == 2 && self.rank() >= 2, "a turn in other than a plane");
  const size_t first = wrap_dim(dims[0], self.rank());
  const size_t second = wrap_dim(dims[1], self.rank());
  const int64_t turns = ((lowering.integer(1) % 4) + 4) % 4;
  Tensor source = self;
  if (turns == 1 || turns == 2) source = flip(source, second);
  if (turns == 2 || turns == 3) source = flip(source, first);
  if (turns == 1 || turns == 3) source = transpose(source, first, second);
  copy(lowering, source, lowering.output(0));
}

}  // namespace

void add_shape_rows(OpTable& table) {
  table.add({"cat", "cat.out", "concat", "concat.out"}, cat_row);
  table.add({"stack", "stack.out", "_stack", "_stack.out"}, stack_row);
  table.add({"block_diag", "block_diag.out"}, block_diag_row);
  table.add({"flip", "flip.out"}, flip_row);
  table.add({"roll", "roll.out"}, roll_row);
  table.add({"repeat", "repeat.out"}, repeat_row);
  table.add({"rot90", "rot90.out"}, rot90_row);
  table.add({"pixel_shuffle", "pixel_shuffle.out"}, pixel_shuffle_row);
  table.add({"pixel_unshuffle", "pixel_unshuffle.out"}, pixel_unshuffle_row);
  table.add({"channel_shuffle", "channel_shuffle.out", "native_channel_shuffle"},
            channel_shuffle_row);
}

}  // namespace trireme::graph
