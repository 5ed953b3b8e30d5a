// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "trireme/graph/check/primitive_rules.h"

namespace trireme::graph {
namespace {

// Whether they are known to be unlike.
bool differ(const Extent& a, const Extent& b) {
  return a.is_constant() && b.is_constant() && a != b;
}

// --- convolution ---

struct ConvolveViews {
  const View& input;
  const View& weight;
  const View& output;
};

ConvolveViews convolve_views(const Node& node, ConvolveKind kind) {
  const View& first = node.operands[0].view;
  const View& second = node.operands[1].view;
  const View& result = node.results[0].view;
  switch (kind) {
    case ConvolveKind::GradInput:
      return {.input = result, .weight = second, .output = first};
    case ConvolveKind::GradWeight:
      return {.input = second, .weight = result, .output = first};
    default:
      return {.input = first, .weight = second, .output = result};
  }
}

// What a convolution makes of `input` elements along one dimension:
// (input + 2 padding - dilation (kernel - 1) - 1) / stride + 1, and transposed the inverse of that.
void check_spatial(NodeCheck& check, const Convolve& c, const ConvolveViews& views, size_t i) {
  const Extent reach = c.dilation[i] * (views.weight.sizes[i + 2] - 1) + 1;
  const bool transposed = c.transposed;
  const Extent& larger = transposed ? views.output.sizes[i + 2] : views.input.sizes[i + 2];
  const Extent& smaller = transposed ? views.input.sizes[i + 2] : views.output.sizes[i + 2];
  const Extent rest = transposed ? c.output_padding[i] : Extent(0);
  const auto room = (larger + c.padding[i] * 2 - reach - rest).constant();
  const auto stride = c.stride[i].constant();
  const auto count = smaller.constant();
  if (!room || !stride || !count) return;
  if (!check.expect(*stride > 0, "a stride below 1")) return;
  const bool fits =
      transposed ? *room == (*count - 1) * *stride : *room >= 0 && *count == *room / *stride + 1;
  check.expect(fits, "the output's size along dimension " + std::to_string(i + 2) +
                         " is not what the settings give");
}

// --- attention ---

bool has_rank(NodeCheck& check, const View& view, size_t rank, const char* what) {
  return check.expect(view.rank() == rank, std::string(what) + " has " +
                                               std::to_string(view.rank()) +
                                               " dimensions, expected " + std::to_string(rank));
}

void check_like(NodeCheck& check, const View& view, const Extents& sizes, const char* what) {
  if (!has_rank(check, view, sizes.size(), what)) return;
  for (size_t i = 0; i < sizes.size(); ++i) {
    check.expect(!differ(view.sizes[i], sizes[i]), "the size of " + std::string(what) +
                                                       " along dimension " + std::to_string(i) +
                                                       " does not fit the query, key and value");
  }
}

}  // namespace

void check_convolve_sizes(NodeCheck& check, const Convolve& c) {
  const ConvolveViews views = convolve_views(check.node(), c.kind);
  const size_t rank = views.input.rank();
  if (!check.expect(rank >= 3 && views.weight.rank() == rank && views.output.rank() == rank,
                    "input, weight and output have not one rank of at least 3")) {
    return;
  }
  const size_t spatial = rank - 2;
  if (!check.expect(c.stride.size() == spatial && c.padding.size() == spatial &&
                        c.dilation.size() == spatial && c.output_padding.size() == spatial,
                    "not one stride, padding, dilation and output padding per spatial dimension")) {
    return;
  }
  check.expect(!differ(views.input.sizes[0], views.output.sizes[0]),
               "input and output are of two batch sizes");
  const Extent& many = views.weight.sizes[0];               // channels of one side
  const Extent grouped = views.weight.sizes[1] * c.groups;  // of the other
  const bool t = c.transposed;
  check.expect(!differ(views.input.sizes[1], t ? many : grouped),
               "the input's channels are not the weight's");
  check.expect(!differ(views.output.sizes[1], t ? grouped : many),
               "the output's channels are not the weight's");
  for (size_t i = 0; i < spatial; ++i) check_spatial(check, c, views, i);
}

void check_attend_sizes(NodeCheck& check, const Attend& attend) {
  const Node& node = check.node();
  const size_t first = attend.backward ? 1 : 0;
  const View& q = node.operands[first].view;
  const View& k = node.operands[first + 1].view;
  const View& v = node.operands[first + 2].view;
  if (!has_rank(check, q, 4, "the query") || !has_rank(check, k, 4, "the key") ||
      !has_rank(check, v, 4, "the value")) {
    return;
  }
  const Extents out = {q.sizes[0], q.sizes[1], q.sizes[2], v.sizes[3]};
  const Extents logarithm = {q.sizes[0], q.sizes[1], q.sizes[2]};
  check_like(check, k, {q.sizes[0], k.sizes[1], k.sizes[2], q.sizes[3]}, "the key");
  check_like(check, v, {q.sizes[0], k.sizes[1], k.sizes[2], v.sizes[3]}, "the value");
  const auto heads = q.sizes[1].constant();
  const auto groups = k.sizes[1].constant();
  check.expect(!heads || !groups || (*groups > 0 && *heads % *groups == 0),
               "the query's heads are no multiple of the key's");
  if (attend.backward) {
    check_like(check, node.operands[0].view, out, "the output's gradient");
    check_like(check, node.operands[4].view, out, "the output");
    check_like(check, node.operands[5].view, logarithm, "the logarithm");
    check_like(check, node.results[0].view, q.sizes, "the query's gradient");
    check_like(check, node.results[1].view, k.sizes, "the key's gradient");
    check_like(check, node.results[2].view, v.sizes, "the value's gradient");
  } else {
    check_like(check, node.results[0].view, out, "the output");
    check_like(check, node.results[1].view, logarithm, "the logarithm");
  }
  if (attend.masked) {
    check_like(check, node.operands.back().view, {q.sizes[0], q.sizes[1], q.sizes[2], k.sizes[2]},
               "the mask");
  }
}

}  // namespace trireme::graph
