// SPDX-License-Identifier: Apache-2.0
// Steps that libraries run, and those that the surroundings do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "trireme/compile/cluster/epilogue.h"
#include "trireme/compile/library/choose.h"
#include "trireme/compile/library/packed_weights.h"
#include "trireme/compile/program/step.h"

namespace trireme::compile {

// About how many seconds a Contract or Convolve takes one thread.
double seconds_of(const graph::Node& node, std::span<const int64_t> symbols);

// A weight that a step may read packed: the graph's input that the second operand is, which the
// graph leaves as it is.
struct PackableInput {
  uint32_t input = 0;
  PackedWeights* weights = nullptr;
};
// The second operand of the Contract or Convolve, if it is one.
std::optional<PackableInput> packable_input(const graph::Graph& graph, const graph::Node& node,
                                            PackedWeights& weights);

// The node, and the graph, the chooser and the packed weights, must outlive the step.
// `nodes`: a Contract of dtypes that the libraries take, perhaps the Map that ends it
// (cluster/epilogue.h). `tries`: GemmChooser::make.
std::unique_ptr<Step> make_contract_step(const graph::Graph& graph, std::span<const uint32_t> nodes,
                                         GemmChooser& chooser, bool tries,
                                         std::optional<PackableInput> packable);
// `nodes`: a Convolve of dtypes that oneDNN takes, perhaps the Map that ends it
// (cluster/epilogue.h).
std::unique_ptr<Step> make_convolve_step(const graph::Graph& graph, std::span<const uint32_t> nodes,
                                         std::optional<PackableInput> packable);
// What a library calls this operation of an epilogue; none of them subtracts.
PostOpKind post_op_of(EpilogueKind kind);
// `node` is an Opaque.
std::unique_ptr<Step> make_opaque_step(const graph::Graph& graph, const graph::Node& node);

}  // namespace trireme::compile
