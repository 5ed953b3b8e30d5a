// SPDX-License-Identifier: Apache-2.0
// Graphs for tests of the text form: all that it can say, in random order. They mean nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "trireme/graph/ir/graph.h"

namespace trireme::graph::testing {

class NamedCall : public OpaqueCall {
 public:
  explicit NamedCall(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }

 private:
  std::string name_;
};

inline std::shared_ptr<const OpaqueCall> named_call(const std::string& name) {
  return std::make_shared<NamedCall>(name);
}

// The same for the same seed.
Graph random_graph(uint64_t seed);

}  // namespace trireme::graph::testing
