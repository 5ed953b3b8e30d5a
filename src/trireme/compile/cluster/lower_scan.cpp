// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/lower_scan.h"

#include <algorithm>
#include <utility>

#include "trireme/compile/cluster/loop_nest.h"

namespace trireme::compile {
namespace {

ReduceOp reduction_of(graph::ScanOp op) {
  switch (op) {
    case graph::ScanOp::Sum:
      return ReduceOp::Sum;
    case graph::ScanOp::Product:
      return ReduceOp::Product;
    case graph::ScanOp::Maximum:
      return ReduceOp::Maximum;
    case graph::ScanOp::Minimum:
      return ReduceOp::Minimum;
    case graph::ScanOp::LogSumExp:
      return ReduceOp::LogSumExp;
  }
  return ReduceOp::Sum;
}

class ScanLowering {
 public:
  ScanLowering(const graph::Graph& graph, const graph::Node& node)
      : node_(node), scan_(*node.as<graph::Scan>()) {
    kernel_.symbols = graph.symbols;
    kernel_.buffers.push_back({node.operands[0].dtype, false});
    for (const auto& result : node.results) kernel_.buffers.push_back({result.dtype, true});
  }

  Kernel run() {
    make_loops();
    std::vector<Statement> body = along();
    std::vector<Statement> outer = declarations();
    if (parallel_ == nest_.size()) {
      std::ranges::move(body, std::back_inserter(outer));
    } else {
      outer.push_back({loop_of(parallel_, std::move(body))});
    }
    for (size_t at = parallel_; at-- > 1;) {
      Loop around = loop_of(at, std::move(outer));
      outer.clear();
      outer.push_back({std::move(around)});
    }
    kernel_.body.push_back(loop_of(0, std::move(outer)));
    return std::move(kernel_);
  }

 private:
  // The scanned dimension is the one reduction loop, and is never a vector's.
  void make_loops() {
    graph::Extents dims;
    std::vector<NestView> views(kernel_.buffers.size());
    const auto add = [&](size_t dim) {
      dims.push_back(node_.dims[dim]);
      views[0].strides.push_back(node_.operands[0].view.strides[dim]);
      for (size_t k = 0; k < node_.results.size(); ++k) {
        views[k + 1].strides.push_back(node_.results[k].view.strides[dim]);
      }
    };
    for (size_t dim = 0; dim < node_.dims.size(); ++dim) {
      if (dim != scan_.dim) add(dim);
    }
    if (!node_.dims.empty()) add(scan_.dim);
    const auto others = static_cast<uint32_t>(dims.empty() ? 0 : dims.size() - 1);
    nest_ = make_nest(dims, others, views, false);
    parallel_ = static_cast<size_t>(std::ranges::count(nest_, false, &NestLoop::reduction));
    for (NestLoop& loop : nest_) loop.vector = false;
    nest_[parallel_ - 1].vector = !nest_[parallel_ - 1].size.is(1);
    kernel_.loops = static_cast<uint32_t>(nest_.size());
  }

  Loop loop_of(size_t at, std::vector<Statement> body) const {
    return {static_cast<LoopId>(at), nest_[at].size,
            nest_[at].vector ? LoopKind::Vector : LoopKind::Serial, std::move(body)};
  }

  Place place(size_t buffer, const Extent& offset) const {
    Place place{Place::Kind::Buffer, static_cast<uint32_t>(buffer), {offset}};
    for (size_t at = 0; at < nest_.size(); ++at) {
      const Extent& stride = nest_[at].strides[buffer];
      if (!stride.is(0)) place.index.loops.push_back({static_cast<LoopId>(at), stride});
    }
    return place;
  }

  bool has_positions() const { return node_.results.size() > 1; }

  std::vector<Statement> declarations() {
    const DType dtype = node_.operands[0].dtype;
    std::vector<Statement> body{{Declare{0, reduction_of(scan_.op), dtype}}};
    kernel_.accumulators = 1;
    if (has_positions()) {
      const bool most = scan_.op == graph::ScanOp::Maximum;
      body.push_back({Declare{1, most ? ReduceOp::ArgMaximum : ReduceOp::ArgMinimum, dtype}});
      kernel_.accumulators = 2;
    }
    return body;
  }

  // Takes the element in and leaves what was taken in so far. Of equal ones the last position
  // counts, a reduction gives the lowest: positions are counted down from 0.
  std::vector<Statement> along() {
    std::vector<Statement> body;
    const RegisterId value = kernel_.registers++;
    body.push_back({Load{value, place(0, node_.operands[0].view.offset), {}}});
    body.push_back({Update{0, value, {}}});
    const RegisterId kept = kernel_.registers++;
    body.push_back({Read{0, kept, {}}});
    body.push_back({Store{kept, place(1, node_.results[0].view.offset), {}}});
    if (!has_positions()) return body;
    Affine position{kernel_.registers++, {}};
    if (parallel_ != nest_.size()) {
      position.index.loops.push_back({static_cast<LoopId>(parallel_), -1});
    }
    body.push_back({position});
    body.push_back({Update{1, value, position.to}});
    const RegisterId negative = kernel_.registers++;
    body.push_back({Read{1, negative, {}}});
    Compute positive;
    positive.to = kernel_.registers++;
    positive.op = ScalarOp::Neg;
    positive.dtype = DType::Int64;
    positive.args[0] = negative;
    body.push_back({positive});
    body.push_back({Store{positive.to, place(2, node_.results[1].view.offset), {}}});
    return body;
  }

  const graph::Node& node_;
  const graph::Scan& scan_;
  Kernel kernel_;
  std::vector<NestLoop> nest_;
  size_t parallel_ = 0;  // loops before that along the scanned dimension
};

}  // namespace

std::string refuse_scan(const graph::Node& node) {
  return graph::is_complex(node.operands[0].dtype) ? "kernels have no complex numbers" : "";
}

ClusterKernel lower_scan(const graph::Graph& graph, const graph::Node& node) {
  ClusterKernel made;
  made.kernel = ScanLowering(graph, node).run();
  made.buffers.push_back({node.operands[0].value, graph::kNoValue});
  for (const auto& result : node.results) made.buffers.push_back({result.value, result.base});
  return made;
}

}  // namespace trireme::compile
