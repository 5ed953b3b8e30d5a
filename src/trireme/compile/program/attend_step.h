// SPDX-License-Identifier: Apache-2.0
// Attention as a step of its own (docs/attention.md).
#pragma once

#include <memory>
#include <string>

#include "trireme/compile/program/step.h"

namespace trireme::compile {

// Whether the node, an Attend, can be such a step; empty: yes, else why not.
std::string refuse_attend(const graph::Node& node);
// `node` is not refused, and must outlive the step.
std::unique_ptr<Step> make_attend_step(const graph::Node& node);

}  // namespace trireme::compile
