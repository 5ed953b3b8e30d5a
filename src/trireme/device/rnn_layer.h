// SPDX-License-Identifier: Apache-2.0
// One layer and direction of a recurrent network over a whole sequence, as one operation forward
// and one backward (docs/libraries.md, "Recurrent networks").
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trireme/device/rnn_cells.h"

namespace trireme::device {

// The steps of a sequence lie one after another along dimension 0; step t has rows[t] of them. A
// padded sequence has as many in each, a packed one fewer and fewer.
struct RnnSequence {
  std::vector<int64_t> rows;
  at::Tensor on_device;  // the rows, where they are not uniform: batches of other lengths are then
                         // the same calls over other data
  bool uniform() const { return rows.front() == rows.back(); }
};

struct RnnOutput {
  at::Tensor sequence;  // h after each step, [sum of rows, hidden]
  RnnState last;        // of each sequence after its last step
};

// As the composition of rnn_step, step by step. `gates`: gates_by_input of the whole sequence.
RnnOutput compose_rnn_layer(Cell cell, const RnnSequence& sequence, const at::Tensor& gates,
                            const RnnState& first, const RnnWeights& weights, bool reverse);

// The same values by the one operation, where it takes the arguments: of one floating dtype,
// without a projection or forward derivatives. Otherwise, and under TRIREME_COMPILE=0, whose
// gradients are eager's to the bit, composed. Differentiable any number of times.
RnnOutput run_rnn_layer(Cell cell, const RnnSequence& sequence, const at::Tensor& gates,
                        const RnnState& first, const RnnWeights& weights, bool reverse);

}  // namespace trireme::device
