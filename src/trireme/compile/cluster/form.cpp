// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/form.h"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "trireme/compile/cluster/epilogue.h"

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::Result;
using graph::Uses;
using graph::ValueId;

constexpr size_t kMostNodes = 64;  // of a cluster: registers and code stay small
// Rows are run by one thread each: fewer of them, and longer ones, keep threads idle.
constexpr int64_t kFewRows = 16;
constexpr int64_t kLongWork = 16384;
// Points of a cluster up to which it joins others in one kernel, and how many of them.
constexpr int64_t kSmallWork = 32768;
constexpr size_t kMostTogether = 64;
constexpr int64_t kSharedPart = 8;  // of a node's largest operand
constexpr uint32_t kNoStep = UINT32_MAX;

// Rows that are few and long, of which some elements are computed by Maps.
bool starves_threads(const Space& space) {
  if (!space.has_rows()) return false;
  const auto rows = graph::product(space.outer_dims()).constant();
  const auto width = graph::product(space.inner_dims()).constant();
  return rows && width && *rows<kFewRows&& * rows* * width> kLongWork;
}

bool is_scatter(const Node& node) { return node.as<graph::Scatter>() != nullptr; }
// A kernel that takes nothing else in: its loops are of its own kind.
bool stands_alone(const Node& node) {
  return is_scatter(node) || node.as<graph::Scan>() != nullptr;
}

class Former {
 public:
  explicit Former(const Graph& graph)
      : graph_(graph),
        uses_(graph),
        step_of_(graph.nodes.size(), kNoStep),
        last_reader_(graph.values.size(), kNoStep),
        replaced_(graph.values.size(), kNoValue) {
    for (const auto& output : graph.outputs) {
      if (output.input) replaced_[output.value] = graph.inputs[*output.input];
    }
  }

  std::vector<ScheduledStep> run() {
    for (uint32_t n = 0; n < graph_.nodes.size(); ++n) add(n);
    std::erase_if(steps_, [](const ScheduledStep& step) { return step.clusters[0].nodes.empty(); });
    number_steps();
    join_small();
    return std::move(steps_);
  }

 private:
  const Node& node(uint32_t n) const { return graph_.nodes[n]; }

  // The last step that the node has to come after, or be in.
  uint32_t earliest(const Node& one) const {
    uint32_t step = kNoStep;
    const auto after = [&](uint32_t other) {
      if (other != kNoStep && (step == kNoStep || other > step)) step = other;
    };
    const auto made = [&](ValueId value) {
      const uint32_t maker = uses_.maker[value];
      if (maker != Uses::kNoNode) after(step_of_[maker]);
    };
    for (const Operand& operand : one.operands) made(operand.value);
    for (const Result& result : one.results) {
      if (result.base != kNoValue) {
        made(result.base);
        after(last_reader_[result.base]);
      }
      if (replaced_[result.value] != kNoValue) after(last_reader_[replaced_[result.value]]);
    }
    return step;
  }

  void add(uint32_t n) {
    const Node& one = node(n);
    const uint32_t after = earliest(one);
    uint32_t step = kNoStep;
    if (ends_library_step(n, after)) {
      step = after;
      steps_[step].clusters[0].nodes.push_back(n);
    } else if (is_kernel(one)) {
      step = find_cluster(n, after);
    }
    if (step == kNoStep) {
      step = static_cast<uint32_t>(steps_.size());
      steps_.push_back({{Cluster{{n}, is_kernel(one) ? space_of(one) : Space{}}}});
    }
    step_of_[n] = step;
    const bool in_kernel = is_kernel(node(cluster_of(step).nodes[0]));
    if (in_kernel) step = join_producers(one, step);
    const auto read = [&](ValueId value) {
      uint32_t& last = last_reader_[value];
      if (last == kNoStep || step > last) last = step;
    };
    for (const Operand& operand : one.operands) {
      read(operand.value);
      if (in_kernel) toucher_[operand.value] = step;
    }
    for (const Result& result : one.results) {
      if (result.base != kNoValue) read(result.base);
    }
  }

  // Whether the node can be done by the library that runs the convolution or product of this step,
  // on the results that nothing else reads.
  bool ends_library_step(uint32_t n, uint32_t step) const {
    if (step == kNoStep || steps_[step].clusters[0].nodes.size() != 1) return false;
    const Node& first = node(steps_[step].clusters[0].nodes[0]);
    if (!library_epilogue(first, node(n))) return false;
    const Result& made = first.results[0];
    const auto& uses = uses_.uses[made.value];
    return !uses_.leaves[made.value] && uses.size() == 1 && uses[0].node == n &&
           made.base == kNoValue;
  }

  // The cluster that the node joins: of one that makes what it reads, or that reads what it reads.
  // It is in it then.
  uint32_t find_cluster(uint32_t n, uint32_t after) {
    if (after != kNoStep && extend(steps_[after].clusters[0], n, /*sibling=*/false)) return after;
    for (const Operand& operand : node(n).operands) {
      if (!worth_sharing(operand.value, node(n))) continue;
      const auto found = toucher_.find(operand.value);
      if (found == toucher_.end() || (after != kNoStep && found->second <= after)) continue;
      Cluster& cluster = cluster_of(found->second);
      if (extend(cluster, n, /*sibling=*/true)) return found->second;
    }
    return kNoStep;
  }

  // Whether reading the value once for two nodes saves a part of their traffic that counts.
  bool worth_sharing(ValueId value, const Node& reader) const {
    const auto count = [&](ValueId id) { return graph_.values[id].count.constant(); };
    const auto shared = count(value);
    if (!shared) return true;
    int64_t most = 0;
    for (const Operand& operand : reader.operands) {
      most = std::max(most, count(operand.value).value_or(0));
    }
    return *shared > 1 && *shared * kSharedPart >= most;
  }

  Cluster& cluster_of(uint32_t step) { return steps_[step].clusters[0]; }

  // A node may read what several clusters make, of which it is in the last one. That one moves into
  // an earlier one where nothing keeps it from that. Returns where the node is in the end.
  uint32_t join_producers(const Node& one, uint32_t step) {
    for (const Operand& operand : one.operands) {
      const uint32_t maker = uses_.maker[operand.value];
      if (maker == Uses::kNoNode || step_of_[maker] >= step) continue;
      const uint32_t earlier = step_of_[maker];
      if (!is_kernel(node(cluster_of(earlier).nodes[0]))) continue;
      const uint32_t after = earliest_of(cluster_of(step), step);
      if (after != kNoStep && after > earlier) continue;
      Cluster joined = cluster_of(earlier);
      const auto& moving = cluster_of(step).nodes;
      if (!std::ranges::all_of(moving, [&](uint32_t n) { return extend(joined, n, false); })) {
        continue;
      }
      for (const uint32_t n : moving) step_of_[n] = earlier;
      for (const uint32_t n : moving) {
        for (const Operand& read : node(n).operands) {
          toucher_[read.value] = earlier;
          find_last_reader(read.value);
        }
        for (const Result& result : node(n).results) {
          if (result.base != kNoValue) find_last_reader(result.base);
        }
      }
      cluster_of(earlier) = std::move(joined);
      cluster_of(step).nodes.clear();
      step = earlier;
    }
    return step;
  }

  // Its readers have moved.
  void find_last_reader(ValueId value) {
    uint32_t last = kNoStep;
    for (const auto& use : uses_.uses[value]) {
      const uint32_t step = step_of_[use.node];
      if (step != kNoStep && (last == kNoStep || step > last)) last = step;
    }
    last_reader_[value] = last;
  }

  // Adds the node to the cluster, if that is possible. `sibling`: it reads what the cluster reads,
  // not what it makes.
  bool extend(Cluster& cluster, uint32_t n, bool sibling) {
    const Node& one = node(n);
    if (cluster.nodes.empty() || cluster.nodes.size() >= kMostNodes) return false;
    const Node& first = node(cluster.nodes[0]);
    if (!is_kernel(first) || stands_alone(one) || stands_alone(first)) return false;
    const auto space = unite(cluster.space, one);
    if (!space || starves_threads(*space)) return false;
    // Rows are worth while for what flows along them. What fails for an index must not take along
    // what has nothing to do with it.
    if (sibling && (space->has_rows() != cluster.space.has_rows() || checks_indices(cluster) ||
                    one.as<graph::Gather>() != nullptr)) {
      return false;
    }
    const auto part = part_of(one, *space);
    if (!part) return false;
    for (const uint32_t member : cluster.nodes) {
      if (!part_of(node(member), *space)) return false;
    }
    for (const Operand& operand : one.operands) {
      if (!flows(operand, one, *part, cluster, *space)) return false;
    }
    if (one.as<graph::Gather>() != nullptr && reads_of(one, cluster)) return false;
    for (const Result& result : one.results) {
      if (result.base != kNoValue && makes(cluster, result.base)) return false;
    }
    cluster.space = *space;
    cluster.nodes.push_back(n);
    return true;
  }

  bool makes(const Cluster& cluster, ValueId value) const {
    const uint32_t maker = uses_.maker[value];
    return maker != Uses::kNoNode && std::ranges::find(cluster.nodes, maker) != cluster.nodes.end();
  }

  bool checks_indices(const Cluster& cluster) const {
    return std::ranges::any_of(cluster.nodes, [&](uint32_t n) {
      return node(n).as<graph::Gather>() != nullptr || is_scatter(node(n));
    });
  }

  // Whether it reads anything that the cluster makes. A gather must not: its indices are checked
  // before, and it reads other elements than those of its point.
  bool reads_of(const Node& reader, const Cluster& cluster) const {
    return std::ranges::any_of(
        reader.operands, [&](const Operand& operand) { return makes(cluster, operand.value); });
  }

  // Whether what the operand reads, if it is made in the cluster, is made in the same point.
  bool flows(const Operand& operand, const Node& reader, Part part, const Cluster& cluster,
             const Space& space) const {
    if (!makes(cluster, operand.value)) return true;
    const Node& maker = node(uses_.maker[operand.value]);
    const auto made_as = part_of(maker, space);
    const auto result = std::ranges::find(maker.results, operand.value, &Result::value);
    if (!made_as || result->dtype != operand.dtype ||
        !(result->view.offset == operand.view.offset)) {
      return false;
    }
    const std::span<const Extent> all = space.dims;
    const auto read_dims = part == Part::Row ? space.outer_dims() : all;
    Extents read = refine_strides(reader.dims, operand.view.strides, read_dims);
    const bool made_whole = *made_as == Part::Whole;
    if (made_whole && part == Part::Row) return false;
    const auto made_dims = made_whole ? all : space.outer_dims();
    const std::span<const Extent> result_dims =
        std::span(maker.dims).first(result->view.strides.size());
    Extents made = refine_strides(result_dims, result->view.strides, made_dims);
    made.resize(read.size(), Extent(0));  // one for the whole row
    return std::ranges::equal(read, made);
  }

  // --- small independent clusters as one kernel ---

  bool small(const ScheduledStep& step) const {
    const Cluster& cluster = step.clusters[0];
    if (!is_kernel(node(cluster.nodes[0])) || checks_indices(cluster)) return false;
    const auto points = graph::product(cluster.space.dims).constant();
    return points && *points <= kSmallWork;
  }

  uint32_t earliest_of(const Cluster& cluster, uint32_t self) const {
    uint32_t step = kNoStep;
    for (const uint32_t n : cluster.nodes) {
      const uint32_t after = earliest_but(node(n), self);
      if (after != kNoStep && (step == kNoStep || after > step)) step = after;
    }
    return step;
  }

  // As earliest, of steps other than the node's own.
  uint32_t earliest_but(const Node& one, uint32_t self) const {
    uint32_t step = kNoStep;
    const auto after = [&](uint32_t n) {
      if (n == Uses::kNoNode || step_of_[n] == self) return;
      if (step == kNoStep || step_of_[n] > step) step = step_of_[n];
    };
    const auto readers = [&](ValueId value) {
      for (const auto& use : uses_.uses[value]) {
        // Those that come after in the graph read what this one makes, or do not matter.
        if (&graph_.nodes[use.node] < &one) after(use.node);
      }
    };
    for (const Operand& operand : one.operands) after(uses_.maker[operand.value]);
    for (const Result& result : one.results) {
      if (result.base != kNoValue) {
        after(uses_.maker[result.base]);
        readers(result.base);
      }
      if (replaced_[result.value] != kNoValue) readers(replaced_[result.value]);
    }
    return step;
  }

  void number_steps() {
    for (uint32_t step = 0; step < steps_.size(); ++step) {
      for (const uint32_t n : cluster_of(step).nodes) step_of_[n] = step;
    }
  }

  void join_small() {
    uint32_t open = kNoStep;  // takes in small steps that nothing between keeps from moving to it
    for (uint32_t step = 0; step < steps_.size(); ++step) {
      if (!small(steps_[step])) continue;
      if (open != kNoStep && steps_[open].clusters.size() < kMostTogether) {
        const uint32_t after = earliest_of(steps_[step].clusters[0], step);
        if (after == kNoStep || after < open) {
          for (const uint32_t n : steps_[step].clusters[0].nodes) step_of_[n] = open;
          steps_[open].clusters.push_back(std::move(steps_[step].clusters[0]));
          steps_[step].clusters.clear();
          continue;
        }
      }
      open = step;
    }
    std::erase_if(steps_, [](const ScheduledStep& step) { return step.clusters.empty(); });
  }

  const Graph& graph_;
  Uses uses_;
  std::vector<ScheduledStep> steps_;
  std::vector<uint32_t> step_of_;        // by node
  std::vector<uint32_t> last_reader_;    // by value: the last step that reads it
  std::vector<ValueId> replaced_;        // by value: the input whose memory it takes in the end
  std::map<ValueId, uint32_t> toucher_;  // the last cluster that reads it
};

}  // namespace

bool is_kernel(const Node& node) {
  return node.as<graph::Map>() != nullptr || node.as<graph::Reduce>() != nullptr ||
         node.as<graph::Gather>() != nullptr || node.as<graph::Random>() != nullptr ||
         stands_alone(node);
}

std::vector<ScheduledStep> form_clusters(const Graph& graph, bool fuses) {
  if (fuses) return Former(graph).run();
  std::vector<ScheduledStep> steps;
  for (uint32_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    steps.push_back({{Cluster{{n}, is_kernel(node) ? space_of(node) : Space{}}}});
  }
  return steps;
}

}  // namespace trireme::compile
