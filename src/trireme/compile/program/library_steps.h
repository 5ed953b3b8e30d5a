// SPDX-License-Identifier: Apache-2.0
// Steps that libraries run, and those that the surroundings do.
#pragma once

#include <memory>
#include <string>

#include "trireme/compile/library/choose.h"
#include "trireme/compile/program/step.h"

namespace trireme::compile {

// The node, and the graph and the chooser, must outlive the step.
// `node` is a Contract of dtypes that the libraries take.
std::unique_ptr<Step> make_contract_step(const graph::Node& node, GemmChooser& chooser);
// `node` is a Convolve of dtypes that oneDNN takes.
std::unique_ptr<Step> make_convolve_step(const graph::Node& node);
// `node` is an Opaque.
std::unique_ptr<Step> make_opaque_step(const graph::Graph& graph, const graph::Node& node);

}  // namespace trireme::compile
