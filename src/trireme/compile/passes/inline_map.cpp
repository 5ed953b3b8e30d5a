// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/inline_map.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "trireme/compile/cluster/space.h"
#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::Expression;
using graph::ExprId;
using graph::ExprNode;
using graph::Node;
using graph::Operand;
using graph::ScalarOp;
using graph::View;

// The dimensions along which a view moves, outermost in memory first.
using Walk = std::vector<size_t>;

// None: the view does not go through all of a value without gaps. Repeating it is allowed.
std::optional<Walk> walk_of(const View& view, const Extent& count) {
  if (!view.offset.is(0)) return std::nullopt;
  Walk walk;
  size_t moving = 0;
  for (size_t i = 0; i < view.rank(); ++i) {
    if (!view.sizes[i].is(1) && !view.strides[i].is(0)) ++moving;
  }
  Extent stride = 1;
  while (walk.size() < moving) {
    size_t next = view.rank();
    for (size_t i = 0; i < view.rank(); ++i) {
      if (!view.sizes[i].is(1) && view.strides[i] == stride) next = i;
    }
    if (next == view.rank() || std::ranges::find(walk, next) != walk.end()) return std::nullopt;
    walk.push_back(next);
    stride *= view.sizes[next];
  }
  if (!(stride == count)) return std::nullopt;
  std::ranges::reverse(walk);
  return walk;
}

Extents pick(std::span<const Extent> extents, const Walk& walk) {
  Extents picked;
  for (const size_t i : walk) picked.push_back(extents[i]);
  return picked;
}

// How the reader's points lie in the maker's.
class Points {
 public:
  static std::optional<Points> of(const View& reads, const View& makes, const Extent& count) {
    auto reader = walk_of(reads, count);
    auto maker = walk_of(makes, count);
    if (!reader || !maker || !(makes.element_count() == count)) return std::nullopt;
    auto common = common_refinement(pick(reads.sizes, *reader), pick(makes.sizes, *maker));
    if (!common) return std::nullopt;
    return Points(reads, makes, std::move(*reader), std::move(*maker), std::move(*common));
  }

  // What the maker reads through the view, by the reader's dimensions.
  std::optional<View> view(const View& view) const {
    View result{reads_.sizes, Extents(reads_.rank(), Extent(0)), view.offset};
    const Extents along =
        refine_strides(pick(makes_.sizes, maker_), pick(view.strides, maker_), common_);
    size_t next = 0;
    for (const size_t dim : reader_) {
      Extent points = 1;
      const size_t first = next;
      while (next < common_.size() && !(points == reads_.sizes[dim])) points *= common_[next++];
      for (size_t i = first; i + 1 < next; ++i) {
        if (!(along[i] == along[i + 1] * common_[i + 1])) return std::nullopt;
      }
      result.strides[dim] = along[next - 1];
    }
    return result;
  }

  // The reader's dimension that is one of the maker's.
  std::optional<uint32_t> dim(size_t of_maker) const {
    const auto at = std::ranges::find(maker_, of_maker);
    if (at == maker_.end()) return std::nullopt;
    // It has to be one common dimension by itself: then its place tells it.
    Extent before = 1;
    for (auto it = maker_.begin(); it != at; ++it) before *= makes_.sizes[*it];
    Extent points = 1;
    for (const size_t dim : reader_) {
      if (points == before && reads_.sizes[dim] == makes_.sizes[of_maker]) {
        return static_cast<uint32_t>(dim);
      }
      points *= reads_.sizes[dim];
    }
    return std::nullopt;
  }

 private:
  Points(View reads, View makes, Walk reader, Walk maker, Extents common)
      : reads_(std::move(reads)),
        makes_(std::move(makes)),
        reader_(std::move(reader)),
        maker_(std::move(maker)),
        common_(std::move(common)) {}

  View reads_;
  View makes_;
  Walk reader_;
  Walk maker_;
  Extents common_;
};

}  // namespace

bool inline_map(Node& reader, uint32_t operand, const graph::Graph& graph, const Node& maker) {
  const Operand& reads = reader.operands[operand];
  const Expression* from = maker.as<graph::Map>() ? &maker.as<graph::Map>()->expression : nullptr;
  const auto result = std::ranges::find(maker.results, reads.value, &graph::Result::value);
  const Expression* before = expression_of(reader);
  if (before == nullptr || from == nullptr || result == maker.results.end()) return false;
  const graph::Value& value = graph.values[reads.value];
  if (result->base != graph::kNoValue || result->dtype != value.dtype ||
      reads.dtype != value.dtype) {
    return false;
  }
  const auto points = Points::of(reads.view, result->view, value.count);
  if (!points) return false;

  std::vector<Operand> operands;
  std::vector<uint32_t> kept(reader.operands.size());
  for (uint32_t i = 0; i < reader.operands.size(); ++i) {
    if (i != operand) kept[i] = place_of(operands, reader.operands[i]);
  }
  Expression made;
  // The maker's expression, once.
  std::vector<ExprId> moved;
  for (ExprNode node : from->nodes) {
    for (size_t k = 0; k < graph::arity(node.op); ++k) node.args[k] = moved[node.args[k]];
    if (node.op == ScalarOp::Load) {
      const Operand& one = maker.operands[node.index];
      auto view = points->view(one.view);
      if (!view) return false;
      node.index = place_of(operands, {one.value, one.dtype, std::move(*view)});
    } else if (node.op == ScalarOp::Index) {
      const auto dim = points->dim(node.index);
      if (!dim) return false;
      node.index = *dim;
    } else if (node.op == ScalarOp::Extent) {
      return false;
    }
    moved.push_back(made.add(node));
  }
  const ExprId root = moved[from->roots[static_cast<size_t>(result - maker.results.begin())]];
  std::vector<ExprId> place;
  for (ExprNode node : before->nodes) {
    if (node.op == ScalarOp::Load && node.index == operand) {
      place.push_back(root);
      continue;
    }
    if (node.op == ScalarOp::Load) node.index = kept[node.index];
    for (size_t k = 0; k < graph::arity(node.op); ++k) node.args[k] = place[node.args[k]];
    place.push_back(made.add(node));
  }
  for (const ExprId one : before->roots) made.roots.push_back(place[one]);
  // What the maker's other results need is left out.
  rewrite(made, [](const ExprNode& node, Expression& to) { return to.add(node); });
  *expression_of(reader) = std::move(made);
  reader.operands = std::move(operands);
  return true;
}

}  // namespace trireme::compile
