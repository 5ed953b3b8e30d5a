// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/lower.h"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "trireme/compile/cluster/loop_nest.h"
#include "trireme/compile/cluster/lower_scan.h"
#include "trireme/compile/cluster/lower_scatter.h"

namespace trireme::compile {
namespace {

using graph::Expression;
using graph::ExprId;
using graph::ExprNode;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Reduce;
using graph::ValueId;
using graph::View;

// Bytes of a row's value that a thread keeps: several of them stay in its first caches.
constexpr int64_t kRowBytes = 65536;

// A gather has none, it copies; nor has a random node.
const Expression& expression_of(const Node& node) {
  static const Expression none;
  if (node.as<graph::Gather>() != nullptr || node.as<graph::Random>() != nullptr) return none;
  const auto* reduce = node.as<Reduce>();
  return reduce != nullptr ? reduce->expression : node.as<graph::Map>()->expression;
}

bool takes_positions(const Node& node) {
  const auto* reduce = node.as<Reduce>();
  return reduce != nullptr &&
         (reduce->op == graph::ReduceOp::ArgMaximum || reduce->op == graph::ReduceOp::ArgMinimum);
}

class ClusterLowering {
 public:
  ClusterLowering(const Graph& graph, const Cluster& cluster, const std::vector<bool>& leaves)
      : graph_(graph), space_(cluster.space), leaves_(leaves) {
    kernel_.symbols = graph.symbols;
    for (const uint32_t n : cluster.nodes) {
      const Node& node = graph.nodes[n];
      members_.push_back({&node, part_of(node, space_).value()});
    }
  }

  ClusterKernel run() {
    schedule();
    collect_accesses();
    make_loops();
    std::vector<Statement> body = outer_body();
    for (size_t at = rows_at_; at-- > 1;) body = {{make_loop(at, std::move(body))}};
    kernel_.body.push_back(make_loop(0, std::move(body)));
    kernel_.registers = next_register_;
    kernel_.loops = next_loop_;
    kernel_.accumulators = next_accumulator_;
    return {std::move(kernel_), std::move(buffers_), std::move(numbers_), std::move(randoms_),
            std::move(checks_)};
  }

 private:
  struct Member {
    const Node* node;
    Part part;
    uint32_t phase =
        0;  // of Whole and Reduce: number of the loop over the row; Row: runs before it
  };

  // Where a value of the cluster is made.
  struct Made {
    uint32_t member = 0;
    Part part = Part::Whole;
    uint32_t phase = 0;      // Whole: the loop that has it in a register
    uint32_t available = 0;  // others: the first loop that may use it
    bool kept = false;       // Whole: a later loop uses it, too
    std::optional<uint32_t> scratch{};
    RegisterId in = 0;
  };

  // One way in which memory is touched; the loops' strides have one entry for each.
  struct Access {
    uint32_t buffer = 0;
    Extents strides;  // along the space's dimensions
    Extent offset;
  };
  static constexpr size_t kNone = SIZE_MAX;
  static constexpr uint32_t kNoBuffer = UINT32_MAX;  // no memory: the numbers of points

  // --- the order of things in a row ---

  void schedule() {
    for (uint32_t i = 0; i < members_.size(); ++i) {
      Member& member = members_[i];
      uint32_t phase = 0;
      for (const auto& operand : member.node->operands) {
        const auto found = made_.find(operand.value);
        if (found == made_.end()) continue;
        const Made& made = found->second;
        phase = std::max(phase, made.part == Part::Whole ? made.phase : made.available);
      }
      member.phase = phase;
      phases_ = std::max(phases_, phase + 1);
      for (const auto& operand : member.node->operands) {
        const auto found = made_.find(operand.value);
        if (found != made_.end() && found->second.part == Part::Whole) {
          found->second.kept |= found->second.phase != phase;
        }
      }
      const uint32_t available = member.part == Part::Reduce ? phase + 1 : phase;
      phases_ = std::max(phases_, available);
      for (const auto& result : member.node->results) {
        made_[result.value] = {i, member.part, phase, available};
      }
    }
  }

  // --- memory ---

  uint32_t buffer_of(ValueId value, DType dtype, bool written, ValueId base) {
    const auto key = std::make_tuple(value, dtype, written);
    const auto [found, added] =
        buffer_ids_.try_emplace(key, static_cast<uint32_t>(buffers_.size()));
    if (added) {
      buffers_.push_back({value, base});
      kernel_.buffers.push_back({dtype, written});
    }
    return found->second;
  }

  size_t add_access(uint32_t buffer, const Extents& strides, const Extent& offset) {
    for (size_t i = 0; i < accesses_.size(); ++i) {
      const Access& one = accesses_[i];
      if (one.buffer == buffer && one.strides == strides && one.offset == offset) return i;
    }
    accesses_.push_back({buffer, strides, offset});
    return accesses_.size() - 1;
  }

  // A node's view along the space's dimensions.
  Extents along_space(Part part, std::span<const Extent> dims, const View& view) const {
    const bool outer_only = part == Part::Row || dims.size() == 0;
    const auto refined = outer_only ? space_.outer_dims() : std::span<const Extent>(space_.dims);
    Extents strides = refine_strides(dims, view.strides, refined);
    strides.resize(space_.dims.size(), Extent(0));
    return strides;
  }

  void collect_accesses() {
    loads_.resize(members_.size());
    stores_.resize(members_.size());
    for (size_t i = 0; i < members_.size(); ++i) {
      const Node& node = *members_[i].node;
      for (const auto& operand : node.operands) {
        if (made_.contains(operand.value)) {
          loads_[i].push_back(kNone);
          continue;
        }
        const Extents strides = along_space(members_[i].part, node.dims, operand.view);
        const uint32_t buffer = buffer_of(operand.value, operand.dtype, false, kNoValue);
        loads_[i].push_back(add_access(buffer, strides, operand.view.offset));
      }
      if (node.as<graph::Random>() != nullptr) {
        // Its points are numbered: loops become one only where their numbers go on.
        const View numbers = View::row_major(node.dims);
        positions_[static_cast<uint32_t>(i)] =
            add_access(kNoBuffer, along_space(members_[i].part, node.dims, numbers), 0);
      }
    }
    for (size_t i = 0; i < members_.size(); ++i) {
      const Node& node = *members_[i].node;
      for (const auto& result : node.results) {
        Made& made = made_.at(result.value);
        const bool stored = leaves_[result.value] || (made.kept && !fits_scratch(result.dtype));
        if (!stored) {
          stores_[i].push_back(kNone);
          continue;
        }
        const Part part = members_[i].part == Part::Whole ? Part::Whole : Part::Row;
        const auto dims = std::span(node.dims).first(result.view.strides.size());
        const Extents strides = along_space(part, dims, result.view);
        const uint32_t buffer = buffer_of(result.value, result.dtype, true, result.base);
        stores_[i].push_back(add_access(buffer, strides, result.view.offset));
      }
    }
  }

  bool fits_scratch(DType dtype) const {
    const auto width = graph::product(space_.inner_dims()).constant();
    return width && *width * static_cast<int64_t>(graph::size_of(dtype)) <= kRowBytes;
  }

  // --- loops ---

  void make_loops() {
    std::vector<NestView> views;
    for (const Access& access : accesses_) views.push_back({access.strides});
    const bool keeps = std::ranges::any_of(members_, [](const Member& member) {
      return takes_positions(*member.node) ||
             std::ranges::any_of(expression_of(*member.node).nodes,
                                 [](const ExprNode& one) { return one.op == ScalarOp::Index; });
    });
    nest_ = make_nest(space_.dims, static_cast<uint32_t>(space_.outer), views, keeps);
    rows_at_ = static_cast<size_t>(std::ranges::count(nest_, false, &NestLoop::reduction));
    if (rows_at_ != nest_.size()) choose_vector();
    next_loop_ = static_cast<LoopId>(rows_at_);
  }

  // Of rows: along them or across, whichever way less of what is touched in each point lies apart.
  // What is kept of a row for a later loop lies along it.
  void choose_vector() {
    const auto apart = [&](size_t loop) {
      int64_t found = 0;
      for (size_t access = 0; access < accesses_.size(); ++access) {
        const Extent& stride = nest_[loop].strides[access];
        if (varies_in_row(access) && !stride.is(0) && !stride.is(1)) ++found;
      }
      return found;
    };
    const bool kept = std::ranges::any_of(made_, [](const auto& made) { return made.second.kept; });
    const size_t across = rows_at_ - 1;
    const bool lanes_across =
        !kept && !nest_[across].size.is(1) && apart(across) < apart(nest_.size() - 1);
    for (NestLoop& loop : nest_) loop.vector = false;
    (lanes_across ? nest_[across] : nest_.back()).vector = true;
  }

  Loop make_loop(size_t at, std::vector<Statement> body) const {
    return {loop_ids_.contains(at) ? loop_ids_.at(at) : static_cast<LoopId>(at), nest_[at].size,
            nest_[at].vector ? LoopKind::Vector : LoopKind::Serial, std::move(body)};
  }

  LoopId loop_id(size_t at) const {
    return at < rows_at_ ? static_cast<LoopId>(at) : loop_ids_.at(at);
  }

  Index index_of(size_t access) const {
    Index index{accesses_[access].offset};
    for (size_t at = 0; at < nest_.size(); ++at) {
      const Extent& stride = nest_[at].strides[access];
      if (!stride.is(0)) index.loops.push_back({loop_id(at), stride});
    }
    return index;
  }

  // Whether the access is the same in all of a row.
  bool varies_in_row(size_t access) const {
    for (size_t at = rows_at_; at < nest_.size(); ++at) {
      if (!nest_[at].strides[access].is(0)) return true;
    }
    return false;
  }

  Place place_of(size_t access) const {
    return {Place::Kind::Buffer, accesses_[access].buffer, index_of(access)};
  }

  // Dense along the loops over the row.
  Place scratch_of(uint32_t number) const {
    Place place{Place::Kind::Scratch, number, {}};
    Extent stride = 1;
    for (size_t at = nest_.size(); at-- > rows_at_;) {
      place.index.loops.insert(place.index.loops.begin(), {loop_id(at), stride});
      stride *= nest_[at].size;
    }
    return place;
  }

  // The coordinate along a dimension of the node, as a sum over loops.
  Index coordinate(const Node& node, Part part, uint32_t dim, const Extent& scale) const {
    // The dimension as a view of stride 1 along it.
    Extents strides(node.dims.size(), Extent(0));
    strides[dim] = scale;
    const Extents along = along_space(part, node.dims, View{node.dims, strides, 0});
    Index index;
    for (size_t at = 0; at < nest_.size(); ++at) {
      for (const uint32_t one : nest_[at].dims) {
        if (!along[one].is(0)) index.loops.push_back({loop_id(at), along[one]});
      }
    }
    return index;
  }

  // --- statements ---

  std::vector<Statement> outer_body() {
    std::vector<Statement> body;
    if (!space_.has_rows()) {
      // Everything is one loop's work: rows of one point.
      for (uint32_t i = 0; i < members_.size(); ++i) {
        if (members_[i].part != Part::Reduce) {
          compute_member(i, body, body);
          continue;
        }
        declare(i, body);
        update(i, body, body);
        read(i, body);
      }
      return body;
    }
    for (uint32_t phase = 0; phase <= phases_; ++phase) {
      for (uint32_t i = 0; i < members_.size(); ++i) {
        if (members_[i].part == Part::Row && members_[i].phase == phase) {
          compute_member(i, body, body);
        }
      }
      row_loop(phase, body);
    }
    return body;
  }

  // One loop over the row: everything of this phase.
  void row_loop(uint32_t phase, std::vector<Statement>& outer) {
    std::vector<uint32_t> in_loop;
    for (uint32_t i = 0; i < members_.size(); ++i) {
      if (members_[i].part != Part::Row && members_[i].phase == phase) in_loop.push_back(i);
    }
    if (in_loop.empty()) return;
    loop_ids_.clear();
    for (size_t at = rows_at_; at < nest_.size(); ++at) loop_ids_[at] = next_loop_++;
    loaded_inner_.clear();
    kept_inner_.clear();
    std::vector<Statement> point;
    for (const uint32_t i : in_loop) {
      const Member& member = members_[i];
      if (member.part == Part::Reduce) {
        declare(i, outer);
        update(i, outer, point);
      } else {
        compute_member(i, outer, point);
      }
    }
    for (size_t at = nest_.size(); at-- > rows_at_;) {
      Loop loop = make_loop(at, std::move(point));
      point.clear();
      point.push_back({std::move(loop)});
    }
    std::ranges::move(point, std::back_inserter(outer));
    for (const uint32_t i : in_loop) {
      if (members_[i].part == Part::Reduce) read(i, outer);
    }
  }

  // The registers of an expression's nodes. What does not change along the row goes to `outer`.
  std::vector<RegisterId> compute(uint32_t i, std::vector<Statement>& outer,
                                  std::vector<Statement>& point) {
    const Member& member = members_[i];
    const Expression& expression = expression_of(*member.node);
    std::vector<RegisterId> registers(expression.nodes.size());
    std::vector<bool> inner(expression.nodes.size());
    const bool rows = &outer != &point;
    for (size_t k = 0; k < expression.nodes.size(); ++k) {
      const ExprNode& one = expression.nodes[k];
      if (one.op == ScalarOp::Load) {
        const auto [in, varies] = load(i, one.index, outer, point);
        registers[k] = in;
        inner[k] = varies;
        continue;
      }
      Compute made{next_register_++, one.op, one.dtype, {}, one.index, one.integer, one.value};
      registers[k] = made.to;
      if (one.op == ScalarOp::Number) {
        registers[k] = number(made, outer);
        continue;
      }
      if (one.op == ScalarOp::Index) {
        const Index at = coordinate(*member.node, member.part, one.index, 1);
        inner[k] = rows && std::ranges::any_of(at.loops, [&](const Index::LoopTerm& term) {
                     return term.loop >= rows_at_;
                   });
        (inner[k] ? point : outer).push_back({Affine{made.to, at}});
        continue;
      }
      if (one.op == ScalarOp::Extent) {
        outer.push_back({Affine{made.to, {member.node->dims[one.index]}}});
        continue;
      }
      for (size_t a = 0; a < graph::arity(one.op); ++a) {
        made.args[a] = registers[one.args[a]];
        inner[k] = inner[k] || inner[one.args[a]];
      }
      (inner[k] ? point : outer).push_back({made});
    }
    return registers;
  }

  // The register of a scalar input.
  RegisterId number(Compute made, std::vector<Statement>& outer) {
    auto found = std::ranges::find(numbers_, made.index);
    if (found == numbers_.end()) {
      numbers_.push_back(made.index);
      kernel_.numbers.push_back(graph_.numbers[made.index]);
      found = numbers_.end() - 1;
    }
    made.index = static_cast<uint32_t>(found - numbers_.begin());
    outer.push_back({made});
    return made.to;
  }

  // The register of an operand's element, and whether it changes along the row.
  std::pair<RegisterId, bool> load(uint32_t i, uint32_t operand, std::vector<Statement>& outer,
                                   std::vector<Statement>& point) {
    const ValueId value = members_[i].node->operands[operand].value;
    const auto found = made_.find(value);
    if (found == made_.end()) {
      const size_t access = loads_[i][operand];
      const bool inner = &outer != &point && varies_in_row(access);
      auto& loaded = inner ? loaded_inner_ : loaded_outer_;
      const auto [at, added] = loaded.try_emplace(access, next_register_);
      if (added) {
        ++next_register_;
        (inner ? point : outer).push_back({Load{at->second, place_of(access), {}}});
      }
      return {at->second, inner};
    }
    Made& made = found->second;
    if (made.part != Part::Whole || !space_.has_rows()) return {made.in, false};
    if (made.phase == members_[i].phase) return {made.in, true};
    const auto [at, added] = kept_inner_.try_emplace(value, next_register_);
    if (added) {
      ++next_register_;
      const Place from = made.scratch ? scratch_of(*made.scratch) : place_of(store_access(value));
      point.push_back({Load{at->second, from, {}}});
    }
    return {at->second, true};
  }

  size_t store_access(ValueId value) const {
    const uint32_t member = made_.at(value).member;
    const auto& results = members_[member].node->results;
    const auto found = std::ranges::find(results, value, &graph::Result::value);
    return stores_[member][static_cast<size_t>(found - results.begin())];
  }

  // A Map, a Gather or a Random.
  void compute_member(uint32_t i, std::vector<Statement>& outer, std::vector<Statement>& point) {
    const Member& member = members_[i];
    if (const auto* gather = member.node->as<graph::Gather>()) {
      gather_member(i, *gather, outer, point);
      return;
    }
    if (const auto* random = member.node->as<graph::Random>()) {
      draw_member(i, *random, outer, point);
      return;
    }
    const auto registers = compute(i, outer, point);
    const Expression& expression = expression_of(*member.node);
    for (size_t k = 0; k < member.node->results.size(); ++k) {
      leave(i, k, registers[expression.roots[k]], point);
    }
  }

  void gather_member(uint32_t i, const graph::Gather& gather, std::vector<Statement>& outer,
                     std::vector<Statement>& point) {
    const Node& node = *members_[i].node;
    const size_t access = loads_[i][0];
    Place from = place_of(access);
    bool inner = &outer != &point && varies_in_row(access);
    for (uint32_t k = 0; k < gather.indexed.size(); ++k) {
      const graph::IndexedDim& indexed = gather.indexed[k];
      checks_.push_back({node.operands[k + 1], indexed.bound, indexed.wraps});
      const auto [index, varies] = load(i, k + 1, outer, point);
      inner = inner || varies;
      const RegisterId in =
          wrapped_index(index, node.operands[k + 1].dtype, indexed, varies ? point : outer);
      from.index.registers.push_back({in, indexed.stride});
    }
    const RegisterId element = next_register_++;
    (inner ? point : outer).push_back({Load{element, std::move(from), {}}});
    leave(i, 0, element, point);
  }

  void draw_member(uint32_t i, const graph::Random& random, std::vector<Statement>& outer,
                   std::vector<Statement>& point) {
    Draw draw;
    draw.distribution = random.distribution;
    draw.dtype = members_[i].node->results[0].dtype;
    auto found = std::ranges::find(randoms_, random.state);
    if (found == randoms_.end()) {
      randoms_.push_back(random.state);
      found = randoms_.end() - 1;
    }
    draw.random = static_cast<uint32_t>(found - randoms_.begin());
    kernel_.randoms = static_cast<uint32_t>(randoms_.size());
    for (size_t k = 0; k < parameter_count(random.distribution); ++k) {
      const graph::NumberRef& parameter = random.parameters.at(k);
      Compute value{next_register_++,  ScalarOp::Constant, DType::Float64, {}, 0, 0,
                    parameter.constant};
      draw.parameters[k] = value.to;
      if (parameter.input) {
        value.op = ScalarOp::Number;
        value.index = *parameter.input;
        number(value, outer);
      } else {
        outer.push_back({value});
      }
    }
    draw.position = next_register_++;
    point.push_back({Affine{draw.position, index_of(positions_.at(i))}});
    draw.to = next_register_++;
    point.push_back({draw});
    leave(i, 0, draw.to, point);
  }

  // A checked index as i64, counted from the start.
  RegisterId wrapped_index(RegisterId index, DType dtype, const graph::IndexedDim& indexed,
                           std::vector<Statement>& to) {
    const auto compute = [&](ScalarOp op, DType type, std::array<RegisterId, 3> args) {
      to.push_back({Compute{next_register_, op, type, args, 0, 0, 0}});
      return next_register_++;
    };
    if (dtype != DType::Int64) index = compute(ScalarOp::Cast, DType::Int64, {index});
    if (!indexed.wraps) return index;
    const RegisterId zero = compute(ScalarOp::Constant, DType::Int64, {});
    const RegisterId bound = next_register_++;
    to.push_back({Affine{bound, {indexed.bound}}});
    const RegisterId negative = compute(ScalarOp::Lt, DType::Bool, {index, zero});
    const RegisterId moved = compute(ScalarOp::Add, DType::Int64, {index, bound});
    return compute(ScalarOp::Select, DType::Int64, {negative, moved, index});
  }

  // Stores a result where it is needed later.
  void leave(uint32_t i, size_t result, RegisterId in, std::vector<Statement>& to) {
    const auto& one = members_[i].node->results[result];
    Made& made = made_.at(one.value);
    made.in = in;
    if (stores_[i][result] != kNone) {
      to.push_back({Store{in, place_of(stores_[i][result]), {}}});
    }
    if (made.kept && made.part == Part::Whole && fits_scratch(one.dtype)) {
      made.scratch = static_cast<uint32_t>(kernel_.scratch.size());
      kernel_.scratch.push_back(
          {one.dtype, graph::product(space_.inner_dims()).constant().value()});
      to.push_back({Store{in, scratch_of(*made.scratch), {}}});
    }
  }

  void declare(uint32_t i, std::vector<Statement>& outer) {
    const auto& reduce = *members_[i].node->as<Reduce>();
    first_accumulator_[i] = next_accumulator_;
    for (const ExprId root : reduce.expression.roots) {
      outer.push_back(
          {Declare{next_accumulator_++, reduce.op, reduce.expression.nodes[root].dtype}});
    }
  }

  void update(uint32_t i, std::vector<Statement>& outer, std::vector<Statement>& point) {
    const Node& node = *members_[i].node;
    const auto registers = compute(i, outer, point);
    std::optional<RegisterId> position;
    if (takes_positions(node)) {
      position = next_register_++;
      Index index;
      Extent stride = 1;
      for (size_t dim = node.dims.size(); dim-- > node.parallel;) {
        const Index one = coordinate(node, Part::Reduce, static_cast<uint32_t>(dim), stride);
        index.loops.insert(index.loops.end(), one.loops.begin(), one.loops.end());
        stride *= node.dims[dim];
      }
      point.push_back({Affine{*position, index}});
    }
    const auto& roots = expression_of(node).roots;
    for (size_t k = 0; k < roots.size(); ++k) {
      point.push_back({Update{first_accumulator_[i] + static_cast<AccumulatorId>(k),
                              registers[roots[k]], position}});
    }
  }

  void read(uint32_t i, std::vector<Statement>& outer) {
    const auto& reduce = *members_[i].node->as<Reduce>();
    size_t result = 0;
    for (size_t k = 0; k < reduce.expression.roots.size(); ++k) {
      Read one{first_accumulator_[i] + static_cast<AccumulatorId>(k), next_register_++, {}};
      if (reduce.op == graph::ReduceOp::Welford) one.second = next_register_++;
      outer.push_back({one});
      leave(i, result++, one.to, outer);
      if (one.second) leave(i, result++, *one.second, outer);
    }
  }

  const Graph& graph_;
  const Space& space_;
  const std::vector<bool>& leaves_;
  Kernel kernel_;
  std::vector<KernelBuffer> buffers_;
  std::vector<uint32_t> numbers_;
  std::vector<uint32_t> randoms_;
  std::vector<IndexCheck> checks_;
  std::map<uint32_t, size_t> positions_;  // by member, of Randoms: the access that numbers points
  std::vector<Member> members_;
  std::map<ValueId, Made> made_;
  uint32_t phases_ = 0;
  std::map<std::tuple<ValueId, DType, bool>, uint32_t> buffer_ids_;
  std::vector<Access> accesses_;
  std::vector<std::vector<size_t>> loads_;   // by member and operand: the access
  std::vector<std::vector<size_t>> stores_;  // by member and result
  std::vector<NestLoop> nest_;
  size_t rows_at_ = 0;                 // the first loop over the row
  std::map<size_t, LoopId> loop_ids_;  // of the loops over the row, in this phase
  std::map<size_t, RegisterId> loaded_outer_;
  std::map<size_t, RegisterId> loaded_inner_;  // in this phase
  std::map<ValueId, RegisterId> kept_inner_;   // in this phase: read back
  std::map<uint32_t, AccumulatorId> first_accumulator_;
  RegisterId next_register_ = 0;
  LoopId next_loop_ = 0;
  AccumulatorId next_accumulator_ = 0;
};

}  // namespace

std::string kernel_refusal(const Graph& graph, const Node& node) {
  if (!is_kernel(node)) {
    return std::string(graph::name_of(node.primitive)) + " has no kernel yet";
  }
  const auto is_complex = [](const auto& one) { return graph::is_complex(one.dtype); };
  if (node.as<graph::Scatter>() != nullptr) return refuse_scatter(node);
  if (node.as<graph::Scan>() != nullptr) return refuse_scan(node);
  if (std::ranges::any_of(expression_of(node).nodes, is_complex) ||
      std::ranges::any_of(node.operands, is_complex) ||
      std::ranges::any_of(node.results, is_complex) ||
      std::ranges::any_of(graph.numbers, graph::is_complex)) {
    return "kernels have no complex numbers";
  }
  return {};
}

ClusterKernel lower_cluster(const Graph& graph, const Cluster& cluster,
                            const std::vector<bool>& leaves) {
  const Node& first = graph.nodes[cluster.nodes[0]];
  if (first.as<graph::Scatter>() != nullptr) return lower_scatter(graph, first);
  if (first.as<graph::Scan>() != nullptr) return lower_scan(graph, first);
  return ClusterLowering(graph, cluster, leaves).run();
}

}  // namespace trireme::compile
