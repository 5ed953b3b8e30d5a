// SPDX-License-Identifier: Apache-2.0
// Recorded calls as the graph room sees them: torch-free, over numbered storages.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

#include "trireme/graph/build/graph_builder.h"
#include "trireme/graph/build/op_call.h"
#include "trireme/run/segment/fit_symbols.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

// None: the IR has no such element type (quantized, float8, ...).
std::optional<graph::DType> graph_dtype(c10::ScalarType dtype);

// A number argument's value, as the graph room sees it; of a CPU tensor with one element, its
// value.
graph::Number number_value(const c10::IValue& value);

// Where a scalar input of a graph comes from.
struct NumberSource {
  enum class Kind : uint8_t {
    Value,    // one of the call's values
    Integer,  // an integer among the numbers of the call's form
  };
  uint32_t call = 0;
  uint32_t index = 0;
  Kind kind = Kind::Value;
};

graph::Number number_at(const SegmentLog& log, const NumberSource& source);

class CallReader {
 public:
  // `varies`: by value of the log, calls laid flat: whether it was seen with another one. Empty:
  // none. `fit`: of the log's numbers; null: they do not vary.
  CallReader(graph::GraphBuilder& builder, const SegmentLog& log, std::vector<bool> varies,
             const SymbolFit* fit);

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
  // The log's number at `position`, which is `value` in the log.
  graph::Extent extent(size_t position, int64_t value) const;
  graph::Tensor tensor(const record::Geometry& geometry, LogId storage, size_t sizes,
                       graph::Extent offset);
  graph::Number number(const NumberSource& source, bool varies);

  graph::GraphBuilder& builder_;
  const SegmentLog& log_;
  std::vector<bool> varies_;
  std::vector<const graph::Extent*> varying_;  // by number of the log; null: it does not
  std::vector<size_t> first_value_;            // by call: the place of its first value in `varies`
  std::vector<size_t> first_number_;  // by call, of its numbers in the log; of storages at the end
  std::vector<graph::StorageId> storages_;  // by LogId
  std::vector<NumberSource> numbers_;
  std::vector<uint32_t> randoms_;
  std::string refusal_;
};

}  // namespace trireme::run
