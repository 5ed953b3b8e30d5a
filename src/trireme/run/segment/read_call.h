// SPDX-License-Identifier: Apache-2.0
// Recorded calls as the graph room sees them: torch-free, over numbered storages.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

#include "trireme/graph/build/graph_builder.h"
#include "trireme/graph/build/op_call.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

// None: the IR has no such element type (quantized, float8, ...).
std::optional<graph::DType> graph_dtype(c10::ScalarType dtype);

// A number argument's value, as the graph room sees it; of a CPU tensor with one element, its
// value.
graph::Number number_value(const c10::IValue& value);

// Where a scalar input of a graph comes from: a call's value.
struct NumberSource {
  uint32_t call = 0;
  uint32_t value = 0;
};

class CallReader {
 public:
  // `varies`: by value of the log, calls laid flat: whether it was seen with another one. Empty:
  // none.
  CallReader(graph::GraphBuilder& builder, const SegmentLog& log, std::vector<bool> varies);

  // The log's call number `index`, with its numbers and random state entered in the builder. None
  // where the IR cannot say it; `refusal` tells why.
  std::optional<graph::OpCall> read(uint32_t index);
  const std::string& refusal() const { return refusal_; }

  // The builder's number of a storage of the log. kNoStorage where no call read so far names it.
  graph::StorageId storage(LogId id) const { return storages_[id]; }
  // What the builder's scalar inputs and random inputs are, in its order: values, and calls.
  const std::vector<NumberSource>& numbers() const { return numbers_; }
  const std::vector<uint32_t>& randoms() const { return randoms_; }

 private:
  class ArgumentReader;

  graph::StorageId number_of(LogId id);
  graph::Tensor tensor(const record::Geometry& geometry, LogId storage, int64_t offset);
  graph::Number number(uint32_t call, uint32_t value);

  graph::GraphBuilder& builder_;
  const SegmentLog& log_;
  std::vector<bool> varies_;
  std::vector<size_t> first_value_;         // by call: the place of its first value in `varies`
  std::vector<graph::StorageId> storages_;  // by LogId
  std::vector<NumberSource> numbers_;
  std::vector<uint32_t> randoms_;
  std::string refusal_;
};

}  // namespace trireme::run
