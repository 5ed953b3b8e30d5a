// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/draft.h"

#include <ATen/SequenceNumber.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/engine.h>

namespace trireme::record {

void Draft::read_context() {
  site = current_site();
  autograd_sequence = 0;
  phase = Phase::Neither;
  if (torch::autograd::get_current_graph_task_id() != -1) {
    phase = Phase::Backward;
    if (const auto node = torch::autograd::get_current_node()) {
      autograd_sequence = node->sequence_nr();
      autograd_thread = node->thread_id();
    }
  } else if (bindings.requires_grad && at::GradMode::is_enabled()) {
    phase = Phase::Forward;
    autograd_sequence = at::sequence_number::peek();
    autograd_thread = at::RecordFunction::currentThreadId();
  }
}

}  // namespace trireme::record
